//! What all documents are: JSON, of a version.

/// The version of every document.
pub const VERSION: u32 = 1;

/// The JSON of a document.
pub(super) fn json(document: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("objects with text keys always become JSON")
}
