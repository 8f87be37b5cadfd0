//! What scripts that talk with the kernel's TCP have in common.

use std::process::Output;

use crate::common::{namespace, texts};

/// `until_log WORD` waits for a word in the file `log`, `until_file NAME` for a file; at most ten seconds.
const PRELUDE: &str = r#"
until_log() {
  for i in $(seq 500); do grep -q -- "$1" log && return; sleep 0.02; done
  echo "not in the log: $1" >&2; exit 99
}
until_file() {
  for i in $(seq 500); do test -e "$1" && return; sleep 0.02; done
  echo "no file $1" >&2; exit 99
}
"#;

/// Runs `script` in a namespace, with the functions of [`PRELUDE`]; the file `log` it has written, if any, is appended
/// to its standard error.
pub(crate) fn script(script: &str) -> Output {
    namespace(&format!("{PRELUDE}\ntouch log\ntrap 'cat log >&2' EXIT\n{script}"), &[])
}

/// The script succeeded; what it wrote.
pub(crate) fn good(output: &Output) -> (String, String) {
    let (out, err) = texts(output);
    assert!(output.status.success(), "{out}{err}");
    (out, err)
}

/// Every word stands in the text.
pub(crate) fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}
