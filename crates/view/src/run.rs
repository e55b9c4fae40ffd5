//! The little that entering a view needs to know, kept apart so that nothing else has to be read.

use aleph_component::TreeId;
use serde::{Deserialize, Serialize};

/// What a generation runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLayers {
    /// The view.
    pub view: String,
    /// The generation's number.
    pub generation: u32,
    /// Its trees, topmost first.
    pub trees: Vec<TreeId>,
    /// SHA-256 of the lock file that a project's generation was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<aleph_component::Digest>,
    /// Whether it has commands that run from where they are in the store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_natives: bool,
}
