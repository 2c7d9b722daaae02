//! An environment, checked: plain data that the stages are given.

use super::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// Everything `env/NAME.toml` says, with variables put in and defaults filled.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The environment's name: `NAME`, or the stem of the path given.
    pub environment: String,
    /// Days are cut here.
    pub timezone: chrono_tz::Tz,
    /// How times are written into the lake.
    pub timestamps: Timestamps,
    /// Path or URL of `collections.csv`, relative paths already resolved against the working directory.
    pub manifest: String,
    /// `[source]`
    pub source: SourceSettings,
    /// `[lake]`
    pub lake: LakeSettings,
    /// `[mail]`
    pub mail: MailSettings,
    /// `[privacy] hash_key`
    pub hash_key: Option<Secret>,
    /// `[run]`
    pub run: RunSettings,
}

/// Whether times are wall clock or instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps {
    /// Wall clock of the timezone, `isAdjustedToUTC=false`.
    Local,
    /// Instants, `isAdjustedToUTC=true`.
    Utc,
}

/// `[source]`
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// `mongodb://`, `mongodb+srv://` or `dump:PATH`.
    pub uri: Secret,
    /// As MongoDB spells it, e.g. `secondaryPreferred`.
    pub read_preference: String,
    /// How far each window reaches back.
    pub overlap: Duration,
    /// Most bytes a second that a run draws from a MongoDB, all collections together; `None`: no bound.
    pub rate: Option<u64>,
}

/// `[lake]`
#[derive(Debug, Clone)]
pub struct LakeSettings {
    /// `s3://`, `gs://`, `az://` or `file:PATH`.
    pub url: String,
    /// Endpoint of an S3 server other than AWS.
    pub endpoint: Option<String>,
    /// AWS region.
    pub region: Option<String>,
    /// Path-style (`true`) or virtual-hosted requests.
    pub path_style: bool,
    /// zstd level of the Parquet files, 1 to 22.
    pub zstd_level: i32,
}

/// Where the summary is mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTransport {
    /// `<dir>/<run_id>.eml`
    File,
    /// Not at all.
    None,
}

/// `[mail]`
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Which way the mail goes.
    pub transport: MailTransport,
    /// Folder of `transport = "file"`.
    pub dir: PathBuf,
    /// Sender; needed unless the transport is `none`.
    pub from: Option<String>,
    /// Recipients.
    pub to: Vec<String>,
}

/// `[run]`
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// Memory the run may use, in bytes; 128 MiB at least (P10).
    pub memory: u64,
    /// How many collections at once.
    pub collections: usize,
    /// A full run of each collection that often; `None`: never by itself.
    pub full_every: Option<Duration>,
    /// End cleanly before this much time has passed; `None`: no limit.
    pub deadline: Option<Duration>,
}
