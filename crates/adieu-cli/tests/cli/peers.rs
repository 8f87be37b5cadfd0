//! What scripts that talk with the kernel's TCP have in common.

use std::process::Output;

use crate::common::{namespace, texts};
use crate::family::Family;

/// `until_log WORD` waits for a word in the file `log`, `until_file NAME` for a file; at most ten seconds. Python's
/// `peer` has the kernel's end: `connect()` with the stack, `accept()` from it, `reset()` what is open.
const PRELUDE: &str = r#"
until_log() {
  for i in $(seq 500); do grep -q -- "$1" log && return; sleep 0.02; done
  echo "not in the log: $1" >&2; exit 99
}
until_file() {
  for i in $(seq 500); do test -e "$1" && return; sleep 0.02; done
  echo "no file $1" >&2; exit 99
}
cat > peer.py <<'PY'
import os, socket, struct
STACK, KERNEL = os.environ["STACK_ADDR"], os.environ["KERNEL_ADDR"]
FAMILY = socket.AF_INET6 if ":" in STACK else socket.AF_INET
def connect(): return socket.create_connection((STACK, 7))
def accept(at=KERNEL): return socket.create_server((at, 7), family=FAMILY).accept()[0]
def reset(s): s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()
PY
touch log
trap 'cat log >&2' EXIT
"#;

/// A node that everybody may open, bound over `/dev/net/tun`; a copy of the command that everybody may run; `nobody`
/// runs words as another user.
pub(crate) const NOBODY: &str = r#"cp "$ADIEU" ./adieu; chmod 755 . adieu; cp -a /dev/net/tun tun; chmod 666 tun
    mount --bind tun /dev/net/tun
    nobody() { (cd / && exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"); }
"#;

/// Runs `script` in a namespace, with the functions of [`PRELUDE`] and the addresses of `family`; the file `log` it
/// has written, if any, is appended to its standard error.
pub(crate) fn script(family: Family, script: &str) -> Output {
    namespace(&format!("{PRELUDE}{script}"), &family.environment())
}

/// The script succeeded; what it wrote.
pub(crate) fn good(output: &Output) -> (String, String) {
    let (out, err) = texts(output);
    assert!(output.status.success(), "{out}{err}");
    (out, err)
}

/// Every word stands in the text, whatever columns are between them.
pub(crate) fn says(text: &str, words: &[&str]) {
    let plain = squeezed(text);
    for word in words {
        assert!(plain.contains(&squeezed(word)), "{word:?} in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

/// One space for many.
fn squeezed(text: &str) -> String {
    let parts: Vec<&str> = text.split(' ').filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}
