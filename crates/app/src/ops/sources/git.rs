//! Commits of git repositories as archives. A commit's id is a digest over everything in it, which git checks of all that it
//! fetches; the archive of it is kept under its own digest.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::archives::digest_file,
};

/// What is committed is taken as it is: nothing in it asks for other ends of lines, other words or parts to be left out.
const ATTRIBUTES: &str = "* -text -eol -crlf -ident -filter -working-tree-encoding -export-ignore -export-subst\n";

/// Brings a commit of a repository, which is an address or a directory, into the cache as an archive.
pub(super) fn fetch(host: &Host, cache: &Path, from: &str, rev: &str) -> Outcome<PathBuf> {
    let home = cache.join("git").join(rev);
    let file = format!("{rev}.tar");
    if let Some(known) = kept(&home, &file) {
        return Ok(known);
    }
    if host.global.offline && !from.starts_with('/') {
        return Err(Failure::new(format!("{rev} of {from} is not here and the network is not to be used"))
            .hint("run this again without --offline"));
    }
    let work = cache.join("git").join(format!("new-{rev}-{}", std::process::id()));
    let made = export(host, &work, from, rev, &file).and_then(|()| {
        let (sha256, _) = digest_file(&work.join(&file))?;
        let target = home.join(sha256.to_string());
        fs::create_dir_all(&target)?;
        fs::rename(work.join(&file), target.join(&file))?;
        Ok(target.join(&file))
    });
    // Another directory of the same process' id is taken for nobody's.
    let _ = fs::remove_dir_all(&work);
    made
}

/// An archive that is what its directory's name says.
fn kept(home: &Path, file: &str) -> Option<PathBuf> {
    fs::read_dir(home).ok()?.flatten().map(|entry| (entry.file_name(), entry.path().join(file))).find_map(
        |(name, path)| {
            let (sha256, _) = digest_file(&path).ok()?;
            (name.to_str() == Some(&sha256.to_string())).then_some(path)
        },
    )
}

fn export(host: &Host, work: &Path, from: &str, rev: &str, file: &str) -> Outcome<()> {
    if work.exists() {
        fs::remove_dir_all(work)?;
    }
    fs::create_dir_all(work)?;
    let repository = work.join("repository");
    let format = if rev.len() == 64 { "sha256" } else { "sha1" };
    let mut init = host.git();
    init.args(["init", "-q", "--bare", "--template=", "--object-format", format]).arg(&repository);
    run(&mut init, from, "cannot be fetched")?;
    let git = |arguments: &[&str]| {
        let mut git = host.git();
        git.arg("--git-dir").arg(&repository).args(arguments);
        git
    };
    let fetch = ["fetch", "-q", "--no-tags", "--no-write-fetch-head"];
    let one = run(&mut git(&[&fetch[..], &["--depth", "1", "--", from, rev]].concat()), from, "cannot be fetched");
    // Not everybody gives away single commits.
    if one.is_err() {
        run(&mut git(&[&fetch[..], &["--", from, "+refs/*:refs/kept/*"]].concat()), from, "cannot be fetched")?;
    }
    let commit = format!("{rev}^{{commit}}");
    let missing = format!("has no commit {rev}");
    let found = run(&mut git(&["rev-parse", "--verify", "-q", &commit]), from, &missing)?;
    if found.trim() != rev {
        return Err(Failure::new(format!(
            "{rev} is no commit of {from}, but something that names one: {}",
            found.trim()
        )));
    }
    fs::create_dir_all(repository.join("info"))?;
    fs::write(repository.join("info/attributes"), ATTRIBUTES)?;
    let output = work.join(file).display().to_string();
    let archive = ["-c", "tar.umask=0022", "archive", "--format=tar", "--prefix=source/", "-o", &output, rev];
    run(&mut git(&archive), from, "cannot be exported")?;
    Ok(())
}

/// The commit that a repository is at by itself.
pub(super) fn head(host: &Host, from: &str) -> Outcome<String> {
    let mut git = host.git();
    git.args(["ls-remote", "--", from, "HEAD"]);
    let told = run(&mut git, from, "cannot be asked")?;
    let id = told.split_whitespace().next().map(str::to_owned);
    id.ok_or_else(|| Failure::new(format!("{from} has no commit yet")))
}

fn run(git: &mut Command, from: &str, what: &str) -> Outcome<String> {
    let output = git.output().map_err(|error| {
        Failure::new(format!("git cannot be run, which {from} is fetched with: {error}")).hint("install git")
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let why = if said.is_empty() { String::new() } else { format!(": {said}") };
    Err(Failure::new(format!("{from} {what}{why}"))
        .hint("look at the address, and at whether git can fetch from it by hand"))
}
