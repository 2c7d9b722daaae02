//! An environment, checked: plain data that the stages are given.

use super::names::fold;
use super::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// Everything `env/NAME.toml` says, with variables put in and defaults filled.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The environment's name: `NAME`, or the stem of the path given.
    pub environment: String,
    /// What `--env` said, so that printed commands find the same file: the name, a path or a URL.
    pub named: String,
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
    /// `[catalog]`
    pub catalog: CatalogSettings,
    /// `[mail]`
    pub mail: MailSettings,
    /// `[[webhook]]`, in the order of the file.
    pub webhooks: Vec<WebhookSettings>,
    /// `[metrics]`
    pub metrics: MetricsSettings,
    /// `[privacy] hash_key`
    pub hash_key: Option<Secret>,
    /// `[run]`
    pub run: RunSettings,
}

impl Settings {
    /// An environment that says where its source and its lake are, and of everything else what holds when its file
    /// says nothing.
    pub fn new(environment: &str, uri: Secret, lake_url: &str) -> Self {
        Self {
            environment: environment.to_owned(),
            named: environment.to_owned(),
            timezone: chrono_tz::UTC,
            timestamps: Timestamps::Utc,
            manifest: "collections.csv".to_owned(),
            source: SourceSettings::at(uri),
            lake: LakeSettings::at(lake_url),
            catalog: CatalogSettings::default(),
            mail: MailSettings::default(),
            webhooks: Vec::new(),
            metrics: MetricsSettings::default(),
            hash_key: None,
            run: RunSettings::default(),
        }
    }
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
    /// As MongoDB spells it, e.g. `secondaryPreferred`. Through a mongos the primaries are read all the same.
    pub read_preference: String,
    /// How far each window reaches back.
    pub overlap: Duration,
    /// Most bytes a second that a run draws from a MongoDB, all collections together; `None`: no bound.
    pub rate: Option<u64>,
}

impl SourceSettings {
    /// A source read as when its section names nothing else.
    pub fn at(uri: Secret) -> Self {
        Self { uri, read_preference: "secondaryPreferred".to_owned(), overlap: Duration::from_secs(600), rate: None }
    }
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
    /// What S3 is asked beyond that.
    pub s3: S3Settings,
}

impl LakeSettings {
    /// The lake at `url`, with a default for everything else.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            endpoint: None,
            region: None,
            path_style: false,
            zstd_level: 3,
            s3: S3Settings::default(),
        }
    }
}

/// The keys of `[lake]` that only S3 knows, and how much is asked of a store at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// How objects are encrypted at rest.
    pub encryption: Encryption,
    /// Whether this account pays for the requests to somebody else's bucket.
    pub requester_pays: bool,
    /// Storage class of the data files; `None`: the bucket's.
    pub storage_class: Option<String>,
    /// How many requests may be on their way at once; counts for every remote store.
    pub requests: usize,
}

impl Default for S3Settings {
    fn default() -> Self {
        Self { encryption: Encryption::Bucket, requester_pays: false, storage_class: None, requests: 64 }
    }
}

/// Who encrypts an object at rest, and with which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// As the bucket's default has it.
    Bucket,
    /// SSE-S3: keys of S3.
    S3,
    /// SSE-KMS with the key named, or with the account's key for S3.
    Kms(Option<String>),
}

/// Who tells the catalog of the tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CatalogMode {
    /// Nobody.
    #[default]
    None,
    /// A Glue crawler, which lakefold points at the tables.
    Crawler,
    /// lakefold itself.
    Tables,
}

/// `[catalog]`
#[derive(Debug, Clone)]
pub struct CatalogSettings {
    /// Who writes it.
    pub mode: CatalogMode,
    /// Name of the crawler of a database, with `{env}` and `{database}` in it.
    pub crawler: String,
    /// Name of the database in the catalog, with `{env}` and `{database}` in it.
    pub database: String,
    /// Start the crawler even when no partition or column is new.
    pub always: bool,
    /// Create a crawler that is missing.
    pub create: bool,
    /// Role of crawlers that are created.
    pub role: Option<String>,
    /// How long a crawler that runs, or that another run is at, is waited for.
    pub ready_within: Duration,
}

impl CatalogSettings {
    /// Name of the crawler of the source's `database`.
    pub fn crawler_of(&self, environment: &str, database: &str) -> String {
        filled(&self.crawler, environment, database)
    }

    /// What the catalog calls the source's `database`.
    pub fn database_of(&self, environment: &str, database: &str) -> String {
        filled(&self.database, environment, database)
    }
}

fn filled(template: &str, environment: &str, database: &str) -> String {
    template.replace("{env}", environment).replace("{database}", &fold(database))
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self {
            mode: CatalogMode::None,
            crawler: "{env}-{database}".to_owned(),
            database: "{database}".to_owned(),
            always: false,
            create: false,
            role: None,
            ready_within: Duration::from_secs(600),
        }
    }
}

/// Where the summary is mailed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MailTransport {
    /// `<dir>/<run_id>.eml`
    File,
    /// To a mail server.
    Smtp,
    /// By Amazon SES.
    Ses,
    /// Not at all.
    #[default]
    None,
}

/// `[mail]`
#[derive(Debug, Clone, Default)]
pub struct MailSettings {
    /// Which way the mail goes.
    pub transport: MailTransport,
    /// Folder of `transport = "file"`.
    pub dir: PathBuf,
    /// Sender; needed unless the transport is `none`.
    pub from: Option<String>,
    /// Recipients.
    pub to: Vec<String>,
    /// Whom answers go to; none: the sender.
    pub reply_to: Vec<String>,
    /// The server of `transport = "smtp"`.
    pub smtp: Option<SmtpSettings>,
    /// What `transport = "ses"` needs beyond that.
    pub ses: Option<SesSettings>,
    /// Which runs are mailed.
    pub when: Rules,
}

/// The keys of `[mail]` that belong to `transport = "ses"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SesSettings {
    /// Configuration set of SES that the mail goes by, for its events and its pool of addresses.
    pub configuration_set: Option<String>,
    /// A message of more bytes is shortened.
    pub max_size: u64,
}

impl Default for SesSettings {
    fn default() -> Self {
        Self { configuration_set: None, max_size: 10 << 20 }
    }
}

/// The mail server of `[mail] transport = "smtp"`.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Name or address; the server's certificate must be made out to it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// User and password; none: the server takes mail without.
    pub login: Option<(String, Secret)>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// Begun in the open, then secured, or given up (port 587).
    StartTls,
    /// From the first byte (port 465).
    Tls,
    /// Not at all (port 25 of the own machine or network).
    None,
}

/// When a channel is told of a run: when any of these holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Of every run.
    pub always: bool,
    /// When its exit code is not 0.
    pub failure: bool,
    /// When a column appeared or changed its type.
    pub schema_change: bool,
    /// When a collection's watermark is older than this at the end of the run.
    pub lag: Option<Duration>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { always: true, failure: false, schema_change: false, lag: None }
    }
}

/// One `[[webhook]]`
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// What it is called in the run record.
    pub name: String,
    /// Whose language it speaks.
    pub kind: WebhookKind,
    /// Where to; a secret, because whoever knows it can post.
    pub url: Secret,
    /// Telegram: the bot's token. JSON: sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// Telegram: the chat's number, or `@channel`.
    pub chat: Option<String>,
    /// Which runs it is told of.
    pub when: Rules,
}

/// Whose language a webhook speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookKind {
    /// An incoming webhook of Slack, or of what takes the same (Mattermost, Rocket.Chat).
    Slack,
    /// A bot of Telegram.
    Telegram,
    /// The verdict and the whole run record as JSON.
    Json,
}

/// `[metrics]`
#[derive(Debug, Clone, Default)]
pub struct MetricsSettings {
    /// A file of Prometheus' text format, for node_exporter's textfile collector.
    pub textfile: Option<PathBuf>,
    /// Root URL of a Pushgateway; a secret, because it may hold a password.
    pub pushgateway: Option<Secret>,
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

impl Default for RunSettings {
    fn default() -> Self {
        Self { memory: 1 << 30, collections: 4, full_every: None, deadline: None }
    }
}
