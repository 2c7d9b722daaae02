//! The command line: flags, files, and what is shown. Nothing is decided here about data.
//!
//! Whatever a person wrote is checked before anything is touched, and all that is wrong with it is told at once.

pub mod args;
mod bug;
pub mod exit;
pub mod files;
mod input;
mod lambda;
mod logging;
mod manual;
pub mod printer;
mod progress;
mod report;
pub mod settings;
mod signals;

use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::collection::{CollectionSpec, Namespace};
use crate::model::lag;
use crate::model::problem::Problem;
use crate::model::projection::Projection;
use crate::model::record::RunRecord;
use crate::model::settings::Settings;
use crate::model::signal::Signal;
use crate::model::status::CollectionStatus;
use crate::{manifest, notify, run, synth};
use args::{
    CheckArgs, Cli, Command, Global, LogFormat, PlanArgs, QueryArgs, RunArgs, SchemaArgs, StatusArgs, SynthArgs,
};
use clap::Parser;
use input::Refused;
use serde::Serialize;
use std::fs::File;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Becomes `Some` when the program should end.
type Interrupt = watch::Receiver<Option<Signal>>;

/// Runs the program: arguments in, exit code out.
pub fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            printer::error(&Error::new(Kind::Unavailable, e).context("start the threads"), false);
            return ExitCode::from(exit::UNAVAILABLE);
        }
    };
    let code = bug::contained(|| match lambda::runtime_api() {
        Some(address) => match runtime.block_on(lambda::serve(&address)) {
            Ok(()) => exit::OK,
            Err(error) => {
                printer::error(&error, false);
                exit::UNAVAILABLE
            }
        },
        None => command(&runtime),
    });
    // Blocking work that a signal left behind must not hold the process up.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Carries out what the arguments say.
fn command(runtime: &Runtime) -> u8 {
    match Cli::try_parse() {
        Ok(cli) => runtime.block_on(dispatch(&cli)),
        Err(message) => {
            printer::usage(&message);
            if message.use_stderr() { exit::INPUT } else { exit::OK }
        }
    }
}

async fn dispatch(cli: &Cli) -> u8 {
    let global = &cli.global;
    let interrupt = match signals::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => return failed(global, &error, exit::UNAVAILABLE),
    };
    match &cli.command {
        Command::Run(args) => run(global, args, interrupt).await,
        Command::Plan(args) => unless_stopped(plan(global, args), interrupt).await,
        Command::Check(args) => unless_stopped(check(global, args), interrupt).await,
        Command::Init => unless_stopped(init(global), interrupt).await,
        Command::Completions(args) => {
            ended(global, printer::result(&manual::completions(args.shell)), |_| exit::FAILED)
        }
        Command::Man => ended(global, manual::page().and_then(|page| printer::result(&page)), |_| exit::FAILED),
        Command::Status(args) => unless_stopped(status(global, args), interrupt).await,
        Command::Schema(args) => unless_stopped(schema(global, args), interrupt).await,
        Command::Report(args) => report::report(global, args, interrupt).await,
        Command::Query(args) => unless_stopped(query(global, args), interrupt).await,
        Command::Synth(args) => unless_stopped(synth(global, args), interrupt).await,
    }
}

/// `run` ends by itself at a signal, cleanly.
async fn run(global: &Global, args: &RunArgs, interrupt: Interrupt) -> u8 {
    let (progress, bars) = progress::of(global);
    logging::init(global, bars);
    let (mut settings, specs) = match input::environment(global).await {
        Ok(found) => found,
        Err(why) => return refused(global, why),
    };
    args.apply_to(&mut settings);
    let options = match input::run_options(args, &settings, &specs, interrupt.clone()) {
        Ok(options) => options,
        Err(error) => return failed(global, &error, exit::INPUT),
    };
    let signal = || *interrupt.borrow();
    let record = match run::run(&settings, specs, options, progress).await {
        Ok(record) => record,
        Err(error) => return failed(global, &error, exit::of_error(error.kind(), signal())),
    };
    match show_run(&record, args.json) {
        Ok(()) => record.exit_code,
        // The data has landed whatever became of the summary.
        Err(error) => failed(global, &error, record.exit_code.max(exit::FAILED)),
    }
}

fn show_run(record: &RunRecord, as_json: bool) -> Result<()> {
    let text = if as_json { json(record)? } else { notify::summary(record, printer::width()) };
    printer::result(&text)
}

async fn plan(global: &Global, args: &PlanArgs) -> u8 {
    logging::init(global, None);
    let (settings, specs) = match input::environment(global).await {
        Ok(found) => found,
        Err(why) => return refused(global, why),
    };
    let options = match input::plan_options(args, &settings, &specs) {
        Ok(options) => options,
        Err(error) => return failed(global, &error, exit::INPUT),
    };
    let shown = run::plan::plan(&settings, &specs, &options).await.and_then(|plan| {
        let text = if args.json { json(&plan)? } else { notify::plan_table(&plan, printer::width()) };
        printer::result(&text)
    });
    ended(global, shown, |_| exit::FAILED)
}

/// Ends with the code of its verdict.
async fn check(global: &Global, args: &CheckArgs) -> u8 {
    logging::init(global, None);
    let (settings, specs) = match input::environment(global).await {
        Ok(found) => found,
        Err(why) => return refused(global, why),
    };
    let report = match run::check::check(&settings, &specs, run::check::probes(&settings, &specs)).await {
        Ok(report) => report,
        Err(error) => return failed(global, &error, exit::of_error(error.kind(), None)),
    };
    let all = global.verbose > 0;
    let text = if args.json { json(&report) } else { Ok(notify::check_list(&report, printer::width(), all)) };
    match text.and_then(|text| printer::result(&text)) {
        Ok(()) => report.exit_code,
        Err(error) => failed(global, &error, report.exit_code.max(exit::FAILED)),
    }
}

/// The proposal goes to stdout, to be looked over and kept as `collections.csv`.
async fn init(global: &Global) -> u8 {
    logging::init(global, None);
    let (source, timezone) = match input::source(global).await {
        Ok(found) => found,
        Err(why) => return refused(global, why),
    };
    let shown = run::init::init(&source, timezone).await.and_then(|rows| printer::result(&manifest::proposed(&rows)));
    ended(global, shown, |kind| exit::of_error(kind, None))
}

async fn status(global: &Global, args: &StatusArgs) -> u8 {
    logging::init(global, None);
    let (settings, specs) = match input::environment(global).await {
        Ok(found) => found,
        Err(why) => return refused(global, why),
    };
    let shown = run::status::status(&settings, &specs).await.and_then(|statuses| {
        let text = if args.json {
            json(&statuses)?
        } else {
            notify::status_table(&statuses, &settings.named, printer::width())
        };
        printer::result(&text)?;
        Ok(statuses)
    });
    match shown {
        Ok(statuses) if late(&specs, &statuses) => exit::FAILED,
        shown => ended(global, shown.map(drop), |_| exit::FAILED),
    }
}

/// Names every collection that is further behind than its row of the manifest allows; whether there is one.
fn late(specs: &[CollectionSpec], statuses: &[CollectionStatus]) -> bool {
    let mut some = false;
    for spec in specs.iter().filter(|spec| spec.max_lag.is_some()) {
        let Namespace { database, collection } = &spec.namespace;
        let status = statuses.iter().find(|s| s.database == *database && s.collection == *collection);
        if let Some(why) = status.and_then(|status| lag::late(spec, status.lag_seconds)) {
            tracing::warn!(collection = %spec.namespace, "{why}");
            some = true;
        }
    }
    some
}

async fn schema(global: &Global, args: &SchemaArgs) -> u8 {
    logging::init(global, None);
    let (settings, specs) = match input::environment(global).await {
        Ok(found) => found,
        Err(why) => return refused(global, why),
    };
    let shown = shown_schema(&settings, &specs, args).await.and_then(|text| printer::result(&text));
    ended(global, shown, |_| exit::FAILED)
}

/// The table that was named, or all that there are.
async fn shown_schema(settings: &Settings, specs: &[CollectionSpec], args: &SchemaArgs) -> Result<String> {
    let tables = match &args.collection {
        Some(namespace) => vec![(namespace.clone(), run::schema::schema(settings, specs, namespace).await?)],
        None => run::schema::schemas(settings, specs).await?,
    };
    let mut texts = Vec::new();
    for (namespace, table) in &tables {
        texts.push(match () {
            () if args.json => json(table)?,
            () if args.views => notify::views(table),
            () if args.ddl => notify::ddl(table, projection(settings, namespace, args).await?.as_ref()),
            () => notify::schema_table(table, printer::width()),
        });
    }
    Ok(texts.join("\n"))
}

/// Of all tables, one that cannot be projected is named and keeps a plain statement.
async fn projection(settings: &Settings, namespace: &Namespace, args: &SchemaArgs) -> Result<Option<Projection>> {
    if !args.projection {
        return Ok(None);
    }
    match run::schema::projection(settings, namespace).await {
        Err(error) if args.collection.is_none() && error.kind() == Kind::Input => {
            tracing::warn!(collection = %namespace, "{error}");
            Ok(None)
        }
        found => found,
    }
}

async fn synth(global: &Global, args: &SynthArgs) -> u8 {
    let (progress, bars) = progress::of(global);
    logging::init(global, bars);
    let options = synth::SynthOptions {
        out: synth::Destination::parse(&args.out),
        seed: args.seed,
        scale: args.scale,
        advance: args.advance.unwrap_or(0),
    };
    let shown = synth::synth(&options, Arc::clone(&progress)).await.and_then(|report| {
        if args.json {
            return printer::result(&json(&report)?);
        }
        let (documents, collections) = (report.documents(), report.collections.len());
        printer::result(&format!(
            "{documents} documents of {collections} collections written, {} days up to {}\n",
            report.days, report.until
        ))
    });
    ended(global, shown, |kind| exit::of_error(kind, None))
}

/// The query's rows go to stdout or into `--out`, as they come.
async fn query(global: &Global, args: &QueryArgs) -> u8 {
    logging::init(global, None);
    let (settings, specs) = match input::environment(global).await {
        Ok(found) => found,
        Err(why) => return refused(global, why),
    };
    let request = match input::query(args) {
        Ok(request) => request,
        Err(error) => return failed(global, &error, exit::INPUT),
    };
    let shown = match &args.out {
        Some(path) => match File::create(path).or_error(Kind::Lake, format!("create {}", path.display())) {
            Ok(mut file) => run::query::query(&settings, &specs, &request, &mut file).await,
            Err(error) => Err(error),
        },
        None => {
            let mut stdout = printer::Results::new();
            let shown = run::query::query(&settings, &specs, &request, &mut stdout).await;
            // A reader that has gone away (`| head`) has all it wanted.
            if stdout.is_closed() { Ok(()) } else { shown }
        }
    };
    ended(global, shown, |_| exit::FAILED)
}

/// Ends a command that has nothing to bring in order when a signal comes.
async fn unless_stopped(command: impl Future<Output = u8>, mut interrupt: Interrupt) -> u8 {
    tokio::select! {
        code = command => code,
        signal = signals::received(&mut interrupt) => exit::of_signal(signal),
    }
}

fn ended(global: &Global, result: Result<()>, code: impl FnOnce(Kind) -> u8) -> u8 {
    match result {
        Ok(()) => exit::OK,
        Err(error) => failed(global, &error, code(error.kind())),
    }
}

/// Says what went wrong: as a line of the log where the log is read by programs.
fn failed(global: &Global, error: &Error, code: u8) -> u8 {
    match global.log {
        LogFormat::Json => tracing::error!(hint = error.hint_text(), detail = error.detail_text(), "{error}"),
        LogFormat::Text => printer::error(error, global.verbose > 0),
    }
    code
}

fn refused(global: &Global, why: Refused) -> u8 {
    match why {
        Refused::Flags(error) => failed(global, &error, exit::INPUT),
        Refused::Unavailable(error) => failed(global, &error, exit::UNAVAILABLE),
        Refused::Files(problems) => wrong(global, &problems, exit::INPUT),
        Refused::Secrets(problems) => wrong(global, &problems, exit::UNAVAILABLE),
    }
}

/// Says everything that is wrong with the files a person wrote.
fn wrong(global: &Global, problems: &[Problem], code: u8) -> u8 {
    match global.log {
        LogFormat::Json => {
            problems.iter().for_each(|problem| tracing::error!(hint = problem.hint.as_deref(), "{problem}"));
        }
        LogFormat::Text => printer::problems(problems),
    }
    code
}

/// One JSON document on lines of its own.
fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).or_error(Kind::Invariant, "write the result as JSON")?;
    Ok(text + "\n")
}
