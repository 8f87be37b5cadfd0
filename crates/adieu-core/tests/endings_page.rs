//! `docs/endings.md` says of every ending what the code says (EN-6).

use std::fmt::Write;
use std::{env, fs, path::Path};

use adieu_core::{Ending, Released};

const HEAD: &str = "\
# Endings

Every connection ends in one of these ways, and its receipt says which, by a name that does not change. Beside each
stands what two well-known monitors would make of it, seen from between the two ends and from the first SYN on: Zeek's
`conn_state`, whose originator is the end that opened, and Wireshark's `tcp.completeness`, the sum of 1 for a SYN, 2 for
a SYN-ACK, 4 for an acknowledgment, 8 for data, 16 for a FIN and 32 for a reset. `Receipt::zeek` and
`Receipt::completeness` say it of one connection. This page is made from the code:
`ADIEU_BLESS=1 cargo test -p adieu-core --test endings_page`.

| name | in words | Zeek | Wireshark |
|---|---|---|---|
";

const RELEASED: &str = "
An ending is told when it happens. What becomes of the addresses and ports is told when they are free
(`Stack::poll_released`):

";

fn page() -> String {
    let mut page = String::from(HEAD);
    for [name, text, zeek, completeness] in Ending::table() {
        writeln!(page, "| `{name}` | {text} | {zeek} | {completeness} |").unwrap();
    }
    page.push_str(RELEASED);
    for released in Released::ALL {
        writeln!(page, "* `{}`", released.name()).unwrap();
    }
    page
}

/// EN-6
#[test]
fn en_6_the_page_names_every_ending() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/endings.md");
    if env::var_os("ADIEU_BLESS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, page(), "docs/endings.md is not what the code says: run this test with ADIEU_BLESS=1");
}
