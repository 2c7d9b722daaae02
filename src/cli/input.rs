//! From flags to what a command works on: the environment, its collections, the options of a run.

use super::args::{Global, PlanArgs, QueryArgs, QueryFormat, RunArgs};
use super::{files, settings};
use crate::error::{Error, Kind, Result};
use crate::manifest;
use crate::model::collection::{CollectionSpec, Namespace};
use crate::model::problem::{Problem, listed, nearest};
use crate::model::settings::{Settings, SourceSettings};
use crate::model::signal::Signal;
use crate::run::clock;
use crate::run::options::RunOptions;
use crate::run::plan::PlanOptions;
use crate::run::query::{QueryRequest, ResultFormat};
use chrono_tz::Tz;
use std::path::Path;
use tokio::sync::watch;

/// Why a command was not even begun.
#[derive(Debug)]
pub enum Refused {
    /// One thing, in the flags.
    Flags(Error),
    /// Everything wrong with the environment file and the manifest.
    Files(Vec<Problem>),
}

/// The environment that the flags name and the collections its manifest gives it.
///
/// The manifest is checked even when the environment file is wrong, so that both are mended at once.
pub fn environment(global: &Global) -> Result<(Settings, Vec<CollectionSpec>), Refused> {
    let name = named_environment(global)?;
    match settings::load(name) {
        Ok(settings) => {
            let specs = manifest(&settings.manifest, &settings.environment, settings.hash_key.is_some());
            Ok((settings, specs.map_err(Refused::Files)?))
        }
        Err(invalid) => {
            let mut problems = invalid.problems;
            let environment = settings::locate(name).0;
            if let Some(path) = invalid.manifest {
                problems.extend(manifest(&path, &environment, invalid.hash_key).err().into_iter().flatten());
            }
            Err(Refused::Files(problems))
        }
    }
}

fn named_environment(global: &Global) -> Result<&str, Refused> {
    global.env.as_deref().filter(|name| !name.is_empty()).ok_or_else(|| {
        Refused::Flags(
            Error::new(Kind::Input, "no environment is named")
                .hint("add `--env NAME`, where `env/NAME.toml` is its file, or set LAKEFOLD_ENV"),
        )
    })
}

/// The manifest, and `pins.csv` beside it when there is one.
fn manifest(path: &str, environment: &str, hash_key: bool) -> Result<Vec<CollectionSpec>, Vec<Problem>> {
    let text = files::read_text(Path::new(path)).map_err(|problem| vec![problem])?;
    let beside = Path::new(path).with_file_name("pins.csv");
    let pins = files::read_optional(&beside).map_err(|problem| vec![problem])?;
    let file = beside.display().to_string();
    let pins = pins.as_deref().map(|text| manifest::PinFile { file: &file, text });
    manifest::load(&text, &manifest::Context { file: path, environment, hash_key, pins })
}

/// The options of a run, with every `--collection` found in the manifest and `--since` in the environment's timezone.
pub fn run_options(
    args: &RunArgs,
    settings: &Settings,
    specs: &[CollectionSpec],
    interrupt: watch::Receiver<Option<Signal>>,
) -> Result<RunOptions> {
    known(&args.collection, settings, specs)?;
    let since = since(args.since.as_deref(), settings)?;
    Ok(RunOptions {
        only: args.collection.clone(),
        full: args.full,
        forget_schema: args.forget_schema,
        allow_shrink: args.allow_shrink,
        since,
        dry_run: args.dry_run,
        strict: args.strict,
        interrupt,
    })
}

/// The options of a plan, checked as those of a run.
pub fn plan_options(args: &PlanArgs, settings: &Settings, specs: &[CollectionSpec]) -> Result<PlanOptions> {
    known(&args.collection, settings, specs)?;
    let since = since(args.since.as_deref(), settings)?;
    Ok(PlanOptions { only: args.collection.clone(), full: args.full, since })
}

/// The source that the flags name, for `init`, which needs nothing else.
pub fn source(global: &Global) -> Result<(SourceSettings, Tz), Refused> {
    let name = named_environment(global)?;
    settings::load_source(name).map_err(Refused::Files)
}

/// Every `--collection` has to be in the manifest.
fn known(wanted: &[Namespace], settings: &Settings, specs: &[CollectionSpec]) -> Result<()> {
    match wanted.iter().find(|wanted| !specs.iter().any(|spec| spec.namespace == **wanted)) {
        Some(unknown) => Err(unknown_collection(unknown, settings, specs)),
        None => Ok(()),
    }
}

/// `--since` in milliseconds UTC.
fn since(text: Option<&str>, settings: &Settings) -> Result<Option<i64>> {
    let since = text.map(|text| settings::since(text, settings.timezone, clock::now())).transpose();
    since.map_err(|message| Error::new(Kind::Input, message).context("--since"))
}

/// The SQL text and what it is to become.
pub fn query(args: &QueryArgs) -> Result<QueryRequest> {
    let sql = match (&args.execute, &args.file) {
        (Some(sql), _) => sql.clone(),
        (None, Some(path)) => files::read_text(path).map_err(|problem| Error::new(Kind::Input, problem))?,
        (None, None) => {
            return Err(Error::new(Kind::Input, "no query is given").hint("write it after `-e`"));
        }
    };
    let format = match args.format {
        _ if args.json => ResultFormat::Json,
        QueryFormat::Table => ResultFormat::Table,
        QueryFormat::Csv => ResultFormat::Csv,
        QueryFormat::Json => ResultFormat::Json,
        QueryFormat::Parquet => ResultFormat::Parquet,
    };
    Ok(QueryRequest { sql, params: args.params.clone(), format })
}

fn unknown_collection(wanted: &Namespace, settings: &Settings, specs: &[CollectionSpec]) -> Error {
    let names: Vec<String> = specs.iter().map(|spec| spec.namespace.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message =
        format!("--collection `{wanted}` is not in {} for environment `{}`", settings.manifest, settings.environment);
    Error::new(Kind::Input, message).hint(match nearest(&wanted.to_string(), names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", listed(&names)),
    })
}
