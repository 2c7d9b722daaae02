//! `env/NAME.toml`, checked: the only reader of the process environment.
//!
//! A file is read to its end whatever is wrong with it; every problem names file, line and key. Values that came out
//! of a variable are never shown.

mod catalog;
mod channels;
mod document;
mod mail;
mod rules;
mod s3;
mod secrets;
mod ses;
#[cfg(test)]
mod tests;
mod values;
mod variables;

pub use secrets::Secrets;
pub use values::{MEMORY_MIN, length, memory, since};
pub use variables::Lookup;

use crate::aws::Aws;
use crate::cli::files::{self, Unread};
use crate::error::Error;
use crate::model::problem::{Problem, listed, nearest};
use crate::model::secret::Secret;
use crate::model::settings::{LakeSettings, RunSettings, Settings, SourceSettings, Timestamps};
use chrono_tz::{TZ_VARIANTS, Tz};
use document::{Reader, Section, Text};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

const READ_PREFERENCES: [&str; 5] = ["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"];

/// Keys and sections of the file.
const ROOT: [&str; 11] =
    ["timezone", "timestamps", "manifest", "source", "lake", "catalog", "mail", "webhook", "metrics", "privacy", "run"];

/// Why there are no settings, and what is known all the same, so that the manifest can be checked too.
#[derive(Debug)]
pub struct Invalid {
    /// Everything wrong with the file.
    pub problems: Vec<Problem>,
    /// The manifest's path, when it could be read.
    pub manifest: Option<String>,
    /// Whether the file has a `[privacy] hash_key`, right or wrong.
    pub hash_key: bool,
    /// The file may well be right: all that is wrong is that a secret could not be asked for.
    pub passing: bool,
}

/// Why an environment could not be read.
#[derive(Debug)]
pub enum Failure {
    /// What is wrong with its text, or that there is none.
    Invalid(Invalid),
    /// It lies in S3, and S3 could not be asked.
    Unavailable(Error),
}

impl From<Unread> for Failure {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Problem(problem) => {
                Self::Invalid(Invalid { problems: vec![problem], manifest: None, hash_key: true, passing: false })
            }
            Unread::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// The name and the file that `--env` means: `NAME` is `env/NAME.toml`; what holds a `/` or ends in `.toml` is a path
/// or an `s3://` URL, and its stem the name.
pub fn locate(name_or_path: &str) -> (String, PathBuf) {
    let path = Path::new(name_or_path);
    if !name_or_path.contains('/') && !name_or_path.ends_with(".toml") {
        return (name_or_path.to_owned(), Path::new("env").join(format!("{name_or_path}.toml")));
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    (stem.unwrap_or_else(|| name_or_path.to_owned()), path.to_owned())
}

/// Reads and checks an environment by name, path or URL, with the secrets it names.
///
/// # Errors
/// All problems of the file, also that it does not exist; or that it could not be asked for.
pub async fn load(name_or_path: &str) -> Result<Settings, Failure> {
    let (name, path) = locate(name_or_path);
    let file = path.display().to_string();
    let (text, secrets) = read(&name, &path).await?;
    let lookup = |variable: &str| std::env::var(variable).ok();
    let settings = parse_with(&text, &file, &name, &lookup, &secrets).map_err(Failure::Invalid)?;
    Ok(Settings { named: name_or_path.to_owned(), ..settings })
}

/// Reads the source and the timezone of an environment by name, path or URL, whatever stands beside them.
///
/// # Errors
/// All problems of `[source]` and `timezone`, also that the file does not exist; or that it could not be asked for.
pub async fn load_source(name_or_path: &str) -> Result<(SourceSettings, Tz), Failure> {
    let (name, path) = locate(name_or_path);
    let (text, secrets) = read(&name, &path).await?;
    parse_source(&text, &path.display().to_string(), &|variable| std::env::var(variable).ok(), &secrets)
        .map_err(Failure::Invalid)
}

/// The text of an environment, and the secrets it names.
async fn read(name: &str, path: &Path) -> Result<(String, Secrets), Failure> {
    let file = path.display().to_string();
    let aws = Aws::of_process();
    let text = files::read_text(&file, aws).await.map_err(|mut unread| {
        if let Unread::Problem(problem) = &mut unread
            && !files::is_s3(&file)
            && !path.exists()
        {
            problem.hint(existing_environments(name));
        }
        unread
    })?;
    let secrets = Secrets::fetch(&text, aws).await;
    Ok((text, secrets))
}

/// Whether colours are welcome: <https://no-color.org>.
pub fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Which environments there are, for somebody who named one that is not.
fn existing_environments(wanted: &str) -> String {
    let names: Vec<String> = std::fs::read_dir("env")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    match nearest(wanted, names.iter().copied()) {
        Some(near) => format!("did you mean `--env {near}`?"),
        None if names.is_empty() => "a name means `env/NAME.toml` below the working directory".to_owned(),
        None => format!("`env/` holds {}", listed(&names)),
    }
}

/// Checks the text of an environment file that names no secret.
///
/// # Errors
/// All problems of the text.
pub fn parse(text: &str, file: &str, environment: &str, lookup: &Lookup<'_>) -> Result<Settings, Invalid> {
    parse_with(text, file, environment, lookup, &Secrets::default())
}

/// Checks the text of an environment file with the secrets fetched for it.
///
/// # Errors
/// All problems of the text.
pub fn parse_with(
    text: &str,
    file: &str,
    environment: &str,
    lookup: &Lookup<'_>,
    secrets: &Secrets,
) -> Result<Settings, Invalid> {
    let mut reader = Reader::new(file, text, lookup, secrets);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        not_toml(&mut reader, &errors);
        let problems = reader.problems.into_sorted();
        return Err(Invalid { problems, manifest: None, hash_key: true, passing: false });
    }

    let root = reader.root(table.get_ref(), &ROOT);
    let privacy = reader.section(&root, "privacy", &["hash_key"]);
    let lake = lake(&mut reader, &root, lookup);
    let settings = Settings {
        environment: environment.to_owned(),
        named: environment.to_owned(),
        timezone: timezone(&mut reader, &root),
        timestamps: timestamps(&mut reader, &root),
        manifest: manifest(&mut reader, &root),
        source: source(&mut reader, &root),
        catalog: catalog::catalog(&mut reader, &root, &lake.url),
        lake,
        mail: mail::read(&mut reader, &root),
        webhooks: channels::webhooks(&mut reader, &root),
        metrics: channels::metrics(&mut reader, &root),
        hash_key: reader.string(&privacy, "hash_key").map(|key| Secret::new(key.value)),
        run: run(&mut reader, &root),
    };
    if reader.problems.is_empty() {
        return Ok(settings);
    }
    let problems = reader.problems.into_sorted();
    Err(Invalid {
        passing: problems.iter().all(|problem| secrets.is_passing(&problem.message)),
        problems,
        manifest: Some(settings.manifest),
        hash_key: privacy.has("hash_key"),
    })
}

/// As [`parse`], for the source and the timezone alone.
fn parse_source(
    text: &str,
    file: &str,
    lookup: &Lookup<'_>,
    secrets: &Secrets,
) -> Result<(SourceSettings, Tz), Invalid> {
    let mut reader = Reader::new(file, text, lookup, secrets);
    let (table, errors) = DeTable::parse_recoverable(text);
    not_toml(&mut reader, &errors);
    if errors.is_empty() {
        let root = reader.root(table.get_ref(), &ROOT);
        let found = (source(&mut reader, &root), timezone(&mut reader, &root));
        if reader.problems.is_empty() {
            return Ok(found);
        }
    }
    let problems = reader.problems.into_sorted();
    let passing = errors.is_empty() && problems.iter().all(|problem| secrets.is_passing(&problem.message));
    Err(Invalid { problems, manifest: None, hash_key: true, passing })
}

fn not_toml(reader: &mut Reader<'_>, errors: &[toml::de::Error]) {
    let mut last_line = None;
    for error in errors {
        // One slip of the pen makes the parser stumble several times on its line.
        let line = error.span().map(|span| reader.line_at(span.start));
        if line.is_none() || line != last_line {
            reader.problems.add_general(line, format_args!("is not TOML: {}", error.message()));
        }
        last_line = line;
    }
}

fn timezone(reader: &mut Reader<'_>, root: &Section<'_>) -> Tz {
    let Some(text) = reader.string(root, "timezone") else {
        return Tz::UTC;
    };
    text.value.parse().unwrap_or_else(|_| {
        let names = TZ_VARIANTS.iter().map(|zone| zone.name());
        let near = nearest(&text.value, names).map(|near| format!("did you mean `{near}`?"));
        reader
            .reject(&text, format_args!("unknown timezone {}", text.shown()))
            .hint(near.unwrap_or_else(|| "write a name such as `Asia/Kolkata`".to_owned()));
        Tz::UTC
    })
}

fn timestamps(reader: &mut Reader<'_>, root: &Section<'_>) -> Timestamps {
    let words = [("local", Timestamps::Local), ("utc", Timestamps::Utc)];
    choice(reader, root, "timestamps", &words).unwrap_or(Timestamps::Utc)
}

fn manifest(reader: &mut Reader<'_>, root: &Section<'_>) -> String {
    let Some(text) = reader.string(root, "manifest") else {
        return "collections.csv".to_owned();
    };
    if text.value.contains("://") && !files::is_s3(&text.value) {
        reader
            .reject(&text, format_args!("{} is no place lakefold reads a manifest from", text.shown()))
            .hint("write a path or an `s3://` URL, such as `s3://bucket/collections.csv`");
    }
    text.value
}

fn source(reader: &mut Reader<'_>, root: &Section<'_>) -> SourceSettings {
    let section = reader.section(root, "source", &["uri", "read_preference", "overlap", "rate"]);
    let uri = reader.required(&section, "uri", "${MONGODB_URI}");
    if let Some(uri) = &uri {
        let known = ["mongodb://", "mongodb+srv://", "dump:"];
        if !known.iter().any(|scheme| uri.value.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())) {
            // Never shown, wherever it came from: it holds the password.
            reader
                .reject(uri, "is no source that lakefold knows")
                .hint("write `mongodb://host`, `mongodb+srv://host` or `dump:PATH`");
        }
    }
    let words = READ_PREFERENCES.map(|word| (word, word));
    let usual = SourceSettings::at(Secret::new(uri.map(|uri| uri.value).unwrap_or_default()));
    let preference = choice(reader, &section, "read_preference", &words);
    SourceSettings {
        read_preference: preference.map_or(usual.read_preference, str::to_owned),
        overlap: duration(reader, &section, "overlap").unwrap_or(usual.overlap),
        rate: rate(reader, &section),
        uri: usual.uri,
    }
}

fn rate(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<u64> {
    let text = reader.string(section, "rate")?;
    match values::rate(&text.value) {
        Ok(rate) => rate,
        Err(message) => {
            reader.reject(&text, format_args!("{} {message}", text.shown()));
            None
        }
    }
}

fn lake(reader: &mut Reader<'_>, root: &Section<'_>, lookup: &Lookup<'_>) -> LakeSettings {
    let keys = [["url", "endpoint", "region", "path_style", "zstd_level"], s3::KEYS].concat();
    let section = reader.section(root, "lake", &keys);
    let url = reader.required(&section, "url", "s3://bucket/prefix");
    if let Some(url) = &url {
        check_lake_url(reader, url);
    }
    let endpoint = reader.string(&section, "endpoint");
    if let Some(endpoint) = endpoint.as_ref().filter(|endpoint| !is_http(&endpoint.value)) {
        reader
            .reject(endpoint, format_args!("{} is no endpoint", endpoint.shown()))
            .hint("write `https://host:port` or `http://host:port`");
    }
    let from_aws = |names: &[&str]| names.iter().find_map(|name| lookup(name).filter(|value| !value.is_empty()));
    let endpoint = endpoint.map(|text| text.value).or_else(|| from_aws(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
    let region = reader.string(&section, "region").map(|text| text.value);
    let path_style = reader.boolean(&section, "path_style");
    LakeSettings {
        url: url.map(|url| url.value).unwrap_or_default(),
        region: region.or_else(|| from_aws(&["AWS_REGION", "AWS_DEFAULT_REGION"])),
        // Servers other than AWS rarely resolve `bucket.host`.
        path_style: path_style.unwrap_or(endpoint.is_some()),
        endpoint,
        zstd_level: bounded(reader, &section, "zstd_level", 1, 22).unwrap_or(3),
        s3: s3::s3(reader, &section),
    }
}

fn check_lake_url(reader: &mut Reader<'_>, url: &Text) {
    const SCHEMES: [&str; 4] = ["s3://", "gs://", "az://", "file:"];
    let rest = SCHEMES.iter().find_map(|scheme| url.value.strip_prefix(scheme));
    match rest {
        Some(rest) if rest.contains('@') && !url.value.starts_with("file:") => {
            reader
                .reject(url, "holds credentials")
                .hint("leave them to the environment, as with any program that uses the cloud");
        }
        Some(rest) if !rest.trim_start_matches('/').is_empty() => {}
        _ => {
            reader
                .reject(url, format_args!("{} is no lake that lakefold knows", url.shown()))
                .hint("write `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `file:PATH`");
        }
    }
}

fn is_http(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

fn run(reader: &mut Reader<'_>, root: &Section<'_>) -> RunSettings {
    let section = reader.section(root, "run", &["memory", "collections", "full_every", "deadline"]);
    let memory = reader.string(&section, "memory").and_then(|text| match memory(&text.value) {
        Ok(bytes) => Some(bytes),
        Err(message) => {
            reader.reject(&text, format_args!("{} {message}", text.shown()));
            None
        }
    });
    let mut positive = |key| duration(reader, &section, key).filter(|length| !length.is_zero());
    let (full_every, deadline) = (positive("full_every"), positive("deadline"));
    let usual = RunSettings::default();
    RunSettings {
        memory: memory.unwrap_or(usual.memory),
        collections: bounded(reader, &section, "collections", 1, 64).unwrap_or(usual.collections),
        full_every,
        deadline,
    }
}

/// One of a few words.
fn choice<T: Copy>(reader: &mut Reader<'_>, section: &Section<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
    let text = reader.string(section, key)?;
    let found = words.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        reader.reject(&text, format_args!("{} is none of its words", text.shown())).hint_nearest(&text.value, &known);
    }
    found.map(|(_, value)| *value)
}

fn duration(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<Duration> {
    let text = reader.string(section, key)?;
    let length = values::duration(&text.value);
    if length.is_none() {
        reader
            .reject(&text, format_args!("{} is no length of time", text.shown()))
            .hint("write a number and a unit: `10m`, `36h`, `30d`, `0s`");
    }
    length
}

/// A whole number from `least` to `most`.
fn bounded<T: TryFrom<i64>>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    least: i64,
    most: i64,
) -> Option<T> {
    let (number, line) = reader.integer(section, key)?;
    let fits = (least..=most).contains(&number).then(|| T::try_from(number).ok()).flatten();
    if fits.is_none() {
        let key = section.dotted(key);
        reader.problems.add(line, &key, format_args!("must be between {least} and {most}"));
    }
    fits
}
