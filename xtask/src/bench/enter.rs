//! A program in a view.

use std::process::Command;

use super::{
    Bench, machine,
    measure::{Contender, in_turn, process},
    report::{Section, Target},
};
use crate::tool::Outcome;

pub(super) fn run(bench: &Bench) -> Outcome<Section> {
    let (store, tree) = (bench.store()?, bench.merged_tree()?);
    let bwrap = || {
        let mut command = Command::new("bwrap");
        command.args(["--unshare-all", "--ro-bind"]).arg(&tree).args([
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "/bin/true",
        ]);
        command
    };
    let contenders = vec![
        Contender::new("aleph run -- true", |_| {
            Ok(process(&bench.work, bench.aleph(store).args(["run", "--", "true"]))?.sample)
        }),
        Contender::new("bwrap true", |_| Ok(process(&bench.work, &mut bwrap())?.sample)),
    ];
    let series = in_turn(bench.rounds.unwrap_or(40), contenders)?;
    let [aleph, peer] = &series[..] else { return Err("two were measured".into()) };
    let targets = vec![Target::ratio(aleph, peer, 1.0), Target::milliseconds(aleph, 12.0), Target::memory(aleph)];
    let about = format!(
        "Whole processes. Aleph enters the view of the closure with home, network and terminal; bwrap {} enters a tree of the\n\
         same packages: `bwrap --unshare-all --ro-bind TREE / --proc /proc --dev /dev /bin/true`.",
        machine::version("bubblewrap"),
    );
    Ok(Section { about, series, targets, notes: Vec::new() })
}
