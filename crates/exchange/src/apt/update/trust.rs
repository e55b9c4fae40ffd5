//! Whether what was heard of an archive may be used under the configuration of today.

use std::{fs, path::Path, time::SystemTime};

use aleph_component::Digest;

use super::{Trust, archive::Archive, files, keys::Keys, state::ArchiveState};
use crate::apt::release::{Verified, verify_clearsigned, verify_detached};

/// Who vouches for what is there of `archive`; nothing if nobody does any more. Verifies again only if the keys that may
/// vouch for it are no longer those that did.
pub(super) fn vouches(
    archive: &Archive<'_>,
    state: &ArchiveState,
    keys: &mut Keys<'_>,
    directory: &Path,
    now: SystemTime,
) -> Option<Trust> {
    archive.check_sources().ok()?;
    let source = archive.first();
    if source.trusted == Some(true) {
        return Some(Trust::Unverified);
    }
    let signer = match &state.signer {
        Some(signer) if state.keys == Some(keys.mark(&source.signed_by)) => signer.clone(),
        _ => {
            let read = |digest: Digest| {
                let bytes = fs::read(files::release(directory, &digest)).ok()?;
                (Digest::of(&bytes) == digest).then_some(bytes)
            };
            let text = read(state.release?)?;
            let keyring = keys.of(&source.signed_by).ok()?;
            let verified = match state.signature {
                None => verify_clearsigned(&text, keyring, now),
                Some(signature) => verify_detached(&text, &read(signature)?, keyring, now),
            };
            let Verified { signer, .. } = verified.ok()?;
            signer
        }
    };
    Some(Trust::Signed(signer))
}
