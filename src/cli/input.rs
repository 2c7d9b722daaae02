//! From flags to what a command works on: the environment, its collections, the options of a run.

use super::args::{Global, PlanArgs, QueryArgs, QueryFormat, RunArgs};
use super::files::{self, Unread};
use super::settings::{self, Failure};
use crate::aws::Aws;
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
use tokio::sync::watch;

/// Why a command was not even begun.
#[derive(Debug)]
pub enum Refused {
    /// One thing, in the flags.
    Flags(Error),
    /// Everything wrong with the environment file and the manifest.
    Files(Vec<Problem>),
    /// The files may well be right, but a secret they name could not be asked for.
    Secrets(Vec<Problem>),
    /// A file lies in S3, and S3 could not be asked.
    Unavailable(Error),
}

impl From<Unread> for Refused {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Problem(problem) => Self::Files(vec![problem]),
            Unread::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// The environment that the flags name and the collections its manifest gives it.
///
/// The manifest is checked even when the environment file is wrong, so that both are mended at once.
pub async fn environment(global: &Global) -> Result<(Settings, Vec<CollectionSpec>), Refused> {
    let name = named_environment(global)?;
    match settings::load(name).await {
        Ok(settings) => {
            let specs = manifest(&settings.manifest, &settings.environment, settings.hash_key.is_some()).await?;
            Ok((settings, specs))
        }
        Err(Failure::Unavailable(error)) => Err(Refused::Unavailable(error)),
        Err(Failure::Invalid(invalid)) => {
            let mut problems = invalid.problems;
            let mut passing = invalid.passing;
            let environment = settings::locate(name).0;
            if let Some(path) = invalid.manifest
                && let Err(Refused::Files(more)) = manifest(&path, &environment, invalid.hash_key).await
            {
                problems.extend(more);
                passing = false;
            }
            Err(if passing { Refused::Secrets(problems) } else { Refused::Files(problems) })
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
async fn manifest(location: &str, environment: &str, hash_key: bool) -> Result<Vec<CollectionSpec>, Refused> {
    let aws = Aws::of_process();
    let text = files::read_text(location, aws).await?;
    let file = files::beside(location, "pins.csv");
    let pins = files::read_optional(&file, aws).await?;
    let pins = pins.as_deref().map(|text| manifest::PinFile { file: &file, text });
    manifest::load(&text, &manifest::Context { file: location, environment, hash_key, pins }).map_err(Refused::Files)
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
        wait: args.wait,
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
pub async fn source(global: &Global) -> Result<(SourceSettings, Tz), Refused> {
    settings::load_source(named_environment(global)?).await.map_err(|failure| match failure {
        Failure::Unavailable(error) => Refused::Unavailable(error),
        Failure::Invalid(invalid) if invalid.passing => Refused::Secrets(invalid.problems),
        Failure::Invalid(invalid) => Refused::Files(invalid.problems),
    })
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
        (None, Some(path)) => files::read_local(path).map_err(|problem| Error::new(Kind::Input, problem))?,
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
