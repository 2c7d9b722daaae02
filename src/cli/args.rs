//! The flags as typed. What needs the environment to be understood stays text here.

use super::exit;
use super::settings;
use crate::model::collection::Namespace;
use crate::model::settings::Settings;
use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Folds the changes of MongoDB collections into a plain Parquet lake.
#[derive(Debug, Parser)]
#[command(name = "lakefold", version, after_help = exit::HELP, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that stand before or after the command.
#[derive(Debug, Args)]
#[command(next_help_heading = "For every command")]
pub struct Global {
    /// The environment: NAME means env/NAME.toml; what holds a `/` or ends in `.toml` is a path
    #[arg(long, global = true, env = "LAKEFOLD_ENV", hide_env_values = true, value_name = "NAME|PATH")]
    pub env: Option<String>,
    /// How log lines look on stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log: LogFormat,
    /// Say more; twice for all there is
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong
    #[arg(long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fold what changed since the last run into the lake
    Run(RunArgs),
    /// Show what a run would do; changes nothing
    Plan(PlanArgs),
    /// Look at everything a run will need, before the first one
    Check(CheckArgs),
    /// Show where every collection stands, the worst first
    Status(StatusArgs),
    /// Show what the columns of a table are made of
    Schema(SchemaArgs),
    /// Show the report of a run as an HTML page, or send it again
    Report(ReportArgs),
    /// Ask the lake in SQL; tables are `database.collection`
    Query(QueryArgs),
    /// Look at the source and print a proposed collections.csv
    ///
    /// Needs no more of the environment file than `[source]`.
    Init,
    /// Write a made-up hospital, as a mongodump folder or into a MongoDB
    Synth(SynthArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the man page
    Man,
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Only this collection (repeatable)
    #[arg(long, value_name = "DB.COLL", value_parser = namespace)]
    pub collection: Vec<Namespace>,
    /// Read everything and replace the tables
    #[arg(long)]
    pub full: bool,
    /// With --full: build the schema anew, from what the source holds now
    #[arg(long, requires = "full")]
    pub forget_schema: bool,
    /// With --full: accept that a table loses more than half of its rows
    #[arg(long, requires = "full")]
    pub allow_shrink: bool,
    /// Read from TIME on: RFC 3339, a date in the environment's timezone, or a length such as 3d
    #[arg(long, value_name = "TIME", conflicts_with = "full")]
    pub since: Option<String>,
    /// Read and merge everything, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Let a document that cannot be read fail its collection
    #[arg(long)]
    pub strict: bool,
    /// Wait for the crawlers that are started, and report the tables they changed
    #[arg(long)]
    pub wait: bool,
    /// Memory to use, such as 512MiB; at least 128MiB
    #[arg(long, value_name = "SIZE", value_parser = settings::memory)]
    pub memory: Option<u64>,
    /// End cleanly before this much time has passed, such as 14m; the environment's own limit counts too
    #[arg(long, env = "LAKEFOLD_DEADLINE", hide_env_values = true, value_name = "LENGTH", value_parser = settings::length)]
    pub deadline: Option<Duration>,
    /// Print the run record as JSON instead of the summary
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// Flags outrank the environment file.
    pub fn apply_to(&self, settings: &mut Settings) {
        if let Some(memory) = self.memory {
            settings.run.memory = memory;
        }
        settings.run.deadline = [settings.run.deadline, self.deadline].into_iter().flatten().min();
    }
}

/// Flags of `plan`: those of `run` that decide what is read.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Only this collection (repeatable)
    #[arg(long, value_name = "DB.COLL", value_parser = namespace)]
    pub collection: Vec<Namespace>,
    /// As `run --full`
    #[arg(long)]
    pub full: bool,
    /// As `run --since TIME`
    #[arg(long, value_name = "TIME", conflicts_with = "full")]
    pub since: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Print JSON instead of a list
    #[arg(long)]
    pub json: bool,
}

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Flags of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The collection, as MongoDB spells it
    #[arg(value_name = "DB.COLL", value_parser = namespace, required_unless_present_any = ["ddl", "views"])]
    pub collection: Option<Namespace>,
    /// Print JSON instead of a table
    #[arg(long, conflicts_with_all = ["ddl", "views"])]
    pub json: bool,
    /// Print Athena's CREATE EXTERNAL TABLE instead of a table; of all tables when none is named
    #[arg(long, conflicts_with = "views")]
    pub ddl: bool,
    /// With --ddl: let Athena work the partitions out instead of asking the catalog for them
    #[arg(long, requires = "ddl")]
    pub projection: bool,
    /// Print Athena's CREATE VIEWs of flat columns, for tools that know no documents and no lists; of all tables when
    /// none is named
    #[arg(long)]
    pub views: bool,
}

/// Flags of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Which run, such as 20261121T040000Z-3f9a1c; the last one when left out
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    /// Write the page into a file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the run record as JSON instead of the page
    #[arg(long, conflicts_with = "out")]
    pub json: bool,
    /// Tell those who could not be told of the run, or everybody again when all were
    #[arg(long, conflicts_with_all = ["out", "json"])]
    pub send: bool,
    /// Make the page of charts that the queries of a folder give, instead of a run's
    #[arg(long, conflicts_with_all = ["run", "json", "send"])]
    pub dashboard: bool,
    /// With --dashboard: the folder of the queries
    #[arg(long, value_name = "DIR", default_value = "queries", requires = "dashboard")]
    pub queries: PathBuf,
}

/// Flags of `query`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("sql").required(true).args(["execute", "file"]))]
pub struct QueryArgs {
    /// The query itself
    // One that begins with a comment begins with hyphens.
    #[arg(short, long, value_name = "SQL", allow_hyphen_values = true)]
    pub execute: Option<String>,
    /// A file that holds the query
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A value for `$NAME` in the query (repeatable)
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    pub params: Vec<(String, String)>,
    /// How the rows look
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: QueryFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write the rows into a file; needed for parquet
    #[arg(long, value_name = "FILE", required_if_eq("format", "parquet"))]
    pub out: Option<PathBuf>,
}

/// How the rows of a query look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum QueryFormat {
    /// For people
    #[default]
    Table,
    /// RFC 4180, with a header
    Csv,
    /// A JSON array of objects
    Json,
    /// One Parquet file
    Parquet,
}

/// Flags of `synth`.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// Where to: a folder, or the URI of a MongoDB
    #[arg(long, value_name = "PATH|URI")]
    pub out: String,
    /// Which hospital; the same seed and scale give the same documents
    #[arg(long)]
    pub seed: Option<u64>,
    /// How big a hospital; 1 is about twenty thousand documents, and the default
    #[arg(long, value_parser = scale)]
    pub scale: Option<f64>,
    /// Add so many days to what is there, instead of beginning anew
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub advance: Option<u32>,
    /// Print what was written as JSON
    #[arg(long)]
    pub json: bool,
}

fn namespace(text: &str) -> Result<Namespace, String> {
    Namespace::parse(text).ok_or_else(|| "write DATABASE.COLLECTION, such as `hospital.bills`".to_owned())
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    if scale.is_finite() && scale > 0.0 { Ok(scale) } else { Err("must be more than 0".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    fn refused(line: &str) -> ErrorKind {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(exit::INPUT), "{line}");
        error.kind()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_environment_stands_before_or_after_the_command() {
        for line in ["lakefold --env demo run", "lakefold run --env demo"] {
            assert_eq!(parse(line).unwrap().global.env.as_deref(), Some("demo"));
        }
    }

    #[test]
    fn flags_of_a_run_arrive() {
        let line = "lakefold run --collection h.a --collection h.b.c --full --forget-schema --memory 256MiB --json";
        let Command::Run(run) = parse(line).unwrap().command else { panic!("not a run") };
        let names: Vec<String> = run.collection.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["h.a", "h.b.c"]);
        assert_eq!(run.collection[1].collection, "b.c");
        assert_eq!(run.memory, Some(256 << 20));
        assert!(run.full && run.forget_schema && run.json && !run.dry_run);
    }

    #[test]
    fn flags_that_make_no_sense_are_refused() {
        assert_eq!(refused("lakefold"), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
        assert_eq!(refused("lakefold fold"), ErrorKind::InvalidSubcommand);
        assert_eq!(refused("lakefold run --forget-schema"), ErrorKind::MissingRequiredArgument);
        assert_eq!(refused("lakefold run --allow-shrink"), ErrorKind::MissingRequiredArgument);
        assert_eq!(refused("lakefold run --full --since 3d"), ErrorKind::ArgumentConflict);
        assert_eq!(refused("lakefold run --memory 64MiB"), ErrorKind::ValueValidation);
        assert_eq!(refused("lakefold run --collection bills"), ErrorKind::ValueValidation);
        assert_eq!(refused("lakefold run --quiet -v"), ErrorKind::ArgumentConflict);
        assert_eq!(refused("lakefold schema"), ErrorKind::MissingRequiredArgument);
        assert_eq!(refused("lakefold schema bills"), ErrorKind::ValueValidation);
        assert_eq!(refused("lakefold schema h.bills --ddl --json"), ErrorKind::ArgumentConflict);
        assert_eq!(refused("lakefold schema h.bills --ddl --views"), ErrorKind::ArgumentConflict);
        assert_eq!(refused("lakefold schema h.bills --projection"), ErrorKind::MissingRequiredArgument);
        assert!(parse("lakefold schema --views").is_ok() && parse("lakefold schema --ddl --projection").is_ok());
        assert_eq!(refused("lakefold report --send --json"), ErrorKind::ArgumentConflict);
        assert_eq!(refused("lakefold query"), ErrorKind::MissingRequiredArgument);
        assert_eq!(refused("lakefold query -e x y.sql"), ErrorKind::ArgumentConflict);
        assert_eq!(refused("lakefold query -e x --format parquet"), ErrorKind::MissingRequiredArgument);
        assert_eq!(refused("lakefold query -e x --param a"), ErrorKind::ValueValidation);
        assert_eq!(refused("lakefold synth --out x --scale 0"), ErrorKind::ValueValidation);
        assert_eq!(refused("lakefold synth --out x --advance 0"), ErrorKind::ValueValidation);
        assert_eq!(refused("lakefold synth"), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn help_tells_the_exit_codes() {
        let help = parse("lakefold --help").unwrap_err();
        assert_eq!(help.exit_code(), i32::from(exit::OK));
        assert!(help.to_string().contains(exit::HELP.lines().next_back().unwrap()), "{help}");
    }
}
