//! `aleph view policy`: what is demanded of a view.

use std::process::ExitCode;

use aleph_view::{Demand, Policy, Views};

use crate::{
    cli::{Evidence, PolicyArguments, YesNo},
    failure::{Failure, Outcome},
    host::Host,
    output::{Printer, bold},
};

/// Shows what is demanded, or changes it first.
pub(crate) fn run(host: &Host, printer: &Printer, wanted: &PolicyArguments) -> Outcome {
    let PolicyArguments { check, no_check, evidence, together, unpin } = wanted;
    let is_change = !check.is_empty() || !no_check.is_empty() || !unpin.is_empty();
    let is_change = is_change || evidence.is_some() || together.is_some();
    let target = host.target()?;
    if check.iter().any(|command| command.trim().is_empty()) {
        return Err(Failure::new("a check is a command, and not nothing").with_code(2));
    }
    let policy = if is_change && !host.global.dry_run {
        let store = host.store()?;
        let lock = host.lock(&store, "changing a policy", printer)?;
        let view = Views::new(&store).get_or_create(target.record.clone())?;
        let mut policy = view.policy()?;
        change(&mut policy, wanted)?;
        view.set_policy(&store, &lock, &policy)?;
        policy
    } else {
        match host.view_without_store() {
            Ok(view) => view.policy()?,
            Err(_) => Policy::default(),
        }
    };
    printer.answer("policy", &policy, |policy| describe(target.record.name.as_str(), policy));
    Ok(ExitCode::SUCCESS)
}

fn change(policy: &mut Policy, wanted: &PolicyArguments) -> Outcome<()> {
    for gone in &wanted.no_check {
        let before = policy.checks.len();
        policy.checks.retain(|known| known != gone);
        if policy.checks.len() == before {
            return Err(Failure::new(format!("`{gone}` is not demanded")));
        }
    }
    for command in &wanted.check {
        if !policy.checks.contains(command) {
            policy.checks.push(command.clone());
        }
    }
    if let Some(evidence) = wanted.evidence {
        policy.evidence = match evidence {
            Evidence::Symbols => Demand::Symbols,
            Evidence::Declared => Demand::Declared,
            Evidence::Types => Demand::Types,
        };
    }
    if let Some(together) = wanted.together {
        policy.together = together == YesNo::Yes;
    }
    for name in &wanted.unpin {
        let before = policy.pins.len();
        policy.pins.retain(|pin| pin.consumer.as_ref().unwrap_or(&pin.provider) != name);
        if policy.pins.len() == before {
            return Err(Failure::new(format!("nothing of `{name}` is pinned back")));
        }
    }
    Ok(())
}

fn describe(view: &str, policy: &Policy) -> String {
    let mut text = format!(
        "{}: relinked on {}\n",
        bold(view),
        match policy.evidence {
            Demand::Symbols => "symbols",
            Demand::Declared => "symbols and what maintainers promise; on types where nobody promises anything",
            Demand::Types => "symbols and types, whatever is promised",
        }
    );
    text.push_str(match policy.together {
        true => "  when one package cannot move, all stay\n",
        false => "  when one package cannot move, it keeps what it has for itself alone\n",
    });
    for check in &policy.checks {
        text.push_str(&format!("  must succeed: {check}\n"));
    }
    for pin in &policy.pins {
        let of = pin.consumer.as_ref().map(|consumer| format!(" of {consumer}")).unwrap_or_default();
        let (provider, keeps, instead) = (&pin.provider, &pin.keeps.version, &pin.instead_of.version);
        text.push_str(&format!("  {provider}{of} stays at {keeps}: with {instead} `{}` failed\n", pin.check));
    }
    text
}
