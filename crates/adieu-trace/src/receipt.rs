//! A receipt in words.

use adieu_core::Receipt;

/// A receipt as lines of "label  value".
pub fn receipt_lines(receipt: &Receipt) -> Vec<(String, String)> {
    vec![("ending".into(), receipt.ending.to_string())]
}
