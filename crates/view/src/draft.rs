//! Generations that are written and not current yet.

use std::{fs, io, os::unix::fs::symlink, path::PathBuf};

use aleph_component::Digest;
use aleph_store::{Store, WriteLock};

use crate::{
    Generation, Launcher, RunLayers, View, ViewError,
    files::{at, make_directory, write, write_json},
    generation::FORMAT,
};

/// A generation to be: everything but its number.
pub struct Draft {
    /// The generation; number, parent and format are filled in.
    pub generation: Generation,
    /// Launchers by command name.
    pub launchers: Vec<(String, Launcher)>,
    /// Programs that run from where they are in the store, by command name.
    pub programs: Vec<(String, PathBuf)>,
    /// The program that runs launchers.
    pub aleph: PathBuf,
    /// SHA-256 of the lock file that it was made from.
    pub lock: Option<Digest>,
}

/// The file that marks a generation as one that was never current.
const TRIAL: &str = "trial";

impl View {
    /// Writes a generation: beside, synced, then renamed to where it belongs. Until [`View::switch`] makes it current, the
    /// view is what it was.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, store: &Store, lock: &WriteLock, draft: Draft) -> Result<Generation, ViewError> {
        let number = self.numbers()?.last().map_or(1, |last| last + 1);
        let mut generation = Generation { format: FORMAT, number, parent: self.current_number()?, ..draft.generation };
        generation.bindings.iter_mut().filter(|new| new.generation == 0).for_each(|new| new.generation = number);
        let beside = store.layout().tmp().join(format!("generation-{}", std::process::id()));
        let bin = beside.join("bin");
        make_directory(&beside)?;
        make_directory(&bin)?;
        for (name, launcher) in &draft.launchers {
            let path = bin.join(name);
            write(&path, launcher.to_text(&draft.aleph).as_bytes(), 0o755)?;
        }
        for (name, program) in &draft.programs {
            let path = bin.join(name);
            // A program of the same name in the view's tree is reached by `aleph run`.
            let _ = fs::remove_file(&path);
            symlink(program, &path).map_err(at("create", &path))?;
        }
        let view = self.record.name.to_string();
        let (trees, has_natives) = (generation.trees(), !draft.programs.is_empty());
        let run = RunLayers { view, generation: number, trees, lock: draft.lock, has_natives };
        write_json(&beside.join("run.json"), &run)?;
        write_json(&beside.join("generation.json"), &generation)?;
        write(&beside.join(TRIAL), b"", 0o644)?;
        let directory = self.generation_directory(number);
        // All of it is durable before any of it can be seen.
        store.sync(lock)?;
        let generations = self.directory.join("generations");
        fs::rename(&beside, &directory)
            .and_then(|()| fs::File::open(&generations)?.sync_all())
            .map_err(at("create", &directory))?;
        Ok(generation)
    }

    /// Whether a generation was written and never made current.
    pub fn is_trial(&self, number: u32) -> bool {
        self.generation_directory(number).join(TRIAL).exists()
    }

    /// Forgets what a process that was killed left: generations that were tried and never made current.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn forget_trials(&self, store: &Store, lock: &WriteLock) -> Result<(), ViewError> {
        for number in self.numbers()?.into_iter().filter(|number| self.is_trial(*number)) {
            self.forget(store, lock, number)?;
        }
        Ok(())
    }

    /// Says that a generation is to be current.
    pub(crate) fn end_trial(&self, number: u32) -> Result<(), ViewError> {
        let trial = self.generation_directory(number).join(TRIAL);
        match fs::remove_file(&trial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", &trial)(error)),
            _ => Ok(()),
        }
    }
}
