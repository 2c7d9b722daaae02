//! `report`: the page of a run, its record, or its mail once more; or the page of charts.

use super::args::{Global, ReportArgs};
use super::{Interrupt, exit, failed, input, json, logging, printer, refused, unless_stopped};
use crate::error::{Kind, Result, ResultExt};
use crate::model::collection::CollectionSpec;
use crate::model::settings::Settings;
use crate::notify::{self, SENT};
use crate::run;
use std::fmt::Write as _;

/// Shows or sends the report; 0, or 1 with one line.
pub(super) async fn report(global: &Global, args: &ReportArgs, interrupt: Interrupt) -> u8 {
    logging::init(global, None);
    let (settings, specs) = match input::environment(global).await {
        Ok(found) => found,
        Err(why) => return refused(global, why),
    };
    let command = async {
        let done = if args.send { send(&settings, args).await } else { show(&settings, &specs, args).await };
        done.unwrap_or_else(|error| failed(global, &error, exit::FAILED))
    };
    unless_stopped(command, interrupt).await
}

async fn show(settings: &Settings, specs: &[CollectionSpec], args: &ReportArgs) -> Result<u8> {
    let run_id = args.run.as_deref();
    let text = if args.dashboard {
        notify::dashboard(&run::dashboard::dashboard(settings, specs, &args.queries).await?)?
    } else if args.json {
        json(&run::report::record(settings, run_id).await?)?
    } else {
        run::report::page(settings, run_id).await?
    };
    match &args.out {
        Some(path) => std::fs::write(path, text).or_error(Kind::Lake, format!("write {}", path.display()))?,
        None => printer::result(&text)?,
    }
    Ok(exit::OK)
}

async fn send(settings: &Settings, args: &ReportArgs) -> Result<u8> {
    let told = run::report::send(settings, args.run.as_deref()).await?;
    let mut text = String::new();
    for one in &told {
        let _ = writeln!(text, "{}: {}", one.channel, one.outcome);
    }
    if told.is_empty() {
        text += "no channel is set in [mail] or [[webhook]]\n";
    }
    printer::result(&text)?;
    Ok(if told.iter().all(|one| one.outcome == SENT) { exit::OK } else { exit::FAILED })
}
