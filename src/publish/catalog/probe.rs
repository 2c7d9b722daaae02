//! What of the catalog can be looked at before the first run: crawlers, or the databases that lakefold writes itself.
//!
//! Only calls that a run makes too, and of them only those that read. What a run would create is not tried.

use super::glue::{CrawlerPlan, Glue};
use super::{Place, crawler::table_level};
use crate::aws::Aws;
use crate::error::{Error, Kind};
use crate::lake::layout;
use crate::model::collection::Namespace;
use crate::model::command::quoted;
use crate::model::finding::{Finding, Mark, Probe};
use crate::model::settings::{CatalogSettings, Settings};
use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use std::collections::BTreeMap;
use std::time::Duration;

/// The word for the catalog in findings.
const SUBJECT: &str = "catalog";

/// Crawlers or databases looked at at once: Glue throttles by account.
const AT_ONCE: usize = 4;

/// How long one of them may take; a run itself is more patient.
const LIMIT: Duration = Duration::from_secs(30);

/// Looks at every crawler, or every database of the catalog, that collections belong to.
pub struct CatalogProbe {
    settings: CatalogSettings,
    lake_url: String,
    lake_region: Option<String>,
    aws: Aws,
    /// With the collections that are told of there.
    places: BTreeMap<Place, Vec<Namespace>>,
}

impl CatalogProbe {
    /// For the collections of an environment; finds nothing where no catalog is told of them.
    pub fn of<'a>(aws: &Aws, settings: &Settings, collections: impl Iterator<Item = &'a Namespace>) -> Self {
        let mut places: BTreeMap<Place, Vec<Namespace>> = BTreeMap::new();
        for ns in collections {
            if let Some(place) = Place::of(&settings.catalog, &settings.environment, &ns.database) {
                places.entry(place).or_default().push(ns.clone());
            }
        }
        Self {
            settings: settings.catalog.clone(),
            lake_url: settings.lake.url.trim_end_matches('/').to_owned(),
            lake_region: settings.lake.region.clone(),
            aws: aws.clone(),
            places,
        }
    }

    async fn place(&self, glue: &Glue, place: &Place, collections: &[Namespace]) -> Vec<Finding> {
        let looked = async {
            match &place.crawler {
                Some(name) => self.crawler(glue, name, place, collections).await,
                None => vec![database(glue, &place.database).await],
            }
        };
        match tokio::time::timeout(LIMIT, looked).await {
            Ok(findings) => findings,
            Err(_) => {
                let error = Error::new(Kind::Notify, format!("no answer from Glue within {} s", LIMIT.as_secs()))
                    .hint("check network, region and where this process gets its credentials");
                vec![Finding::of_error(SUBJECT, "connect", &error)]
            }
        }
    }

    async fn crawler(&self, glue: &Glue, name: &str, place: &Place, collections: &[Namespace]) -> Vec<Finding> {
        let says = |mark, what: &str, text: String| Finding::new(mark, SUBJECT, what, format!("{name} {text}"));
        let paths: Vec<String> =
            collections.iter().map(|ns| format!("{}/{}", self.lake_url, layout::table_prefix(ns))).collect();
        let crawler = match glue.crawler(name).await {
            Ok(Some(crawler)) => crawler,
            Ok(None) => return self.missing(glue, name, place, paths).await,
            Err(refusal) => return vec![Finding::of_error(SUBJECT, "crawler", &refusal.into_error().context(name))],
        };
        let lacking = crawler.lacks(&paths).len();
        let targets = match lacking {
            0 => "crawls every table".to_owned(),
            _ => format!("crawls {} of {} tables; runs add the others", paths.len() - lacking, paths.len()),
        };
        let mut findings = vec![says(Mark::Ok, "crawler", targets)];
        let update = format!("aws glue update-crawler --name {}", quoted(name));
        findings.push(match crawler.recrawl.as_str() {
            "CRAWL_EVERYTHING" => says(Mark::Ok, "recrawl", "crawls everything again".to_owned()),
            other => {
                let mark = if crawler.fixed { Mark::Failed } else { Mark::Warning };
                let text = format!("has the recrawl policy {other}: new tables, or new columns, escape it");
                says(mark, "recrawl", text).hint(format!(
                    "let it crawl everything:\n  {update} --recrawl-policy RecrawlBehavior=CRAWL_EVERYTHING"
                ))
            }
        });
        if crawler.only_logs {
            let text = "only logs what it finds changed: new columns do not reach the catalog".to_owned();
            findings.push(says(Mark::Warning, "columns", text).hint(format!(
                "let it update its tables:\n  {update} --schema-change-policy \
                 UpdateBehavior=UPDATE_IN_DATABASE,DeleteBehavior=LOG"
            )));
        }
        findings.push(match &crawler.failure {
            Some(failure) => says(Mark::Warning, "state", format!("ended its last crawl with {failure}"))
                .hint("see its log: CloudWatch, log group /aws-glue/crawlers"),
            None if crawler.ready => says(Mark::Ok, "state", "is ready".to_owned()),
            None => {
                let patience = humantime::format_duration(self.settings.ready_within);
                says(Mark::Ok, "state", format!("is at work; a run would wait for it, {patience} at most"))
            }
        });
        findings
    }

    async fn missing(&self, glue: &Glue, name: &str, place: &Place, paths: Vec<String>) -> Vec<Finding> {
        let role = self.settings.role.clone();
        if self.settings.create && role.is_some() {
            let says = format!("there is no {name} yet: the first run creates it, which cannot be tried beforehand");
            let hint = "it takes glue:CreateCrawler, and iam:PassRole on the role: docs/iam/crawler.json";
            let crawler = Finding::new(Mark::Skipped, SUBJECT, "crawler", says).hint(hint);
            return vec![crawler, database(glue, &place.database).await];
        }
        let plan = CrawlerPlan {
            name: name.to_owned(),
            role: role.unwrap_or_else(|| "ROLE".to_owned()),
            database: place.database.clone(),
            paths,
            table_level: table_level(&self.lake_url),
        };
        let hint = format!("set [catalog] create and role, or create it, with a role that may:\n  {}", plan.command());
        vec![Finding::new(Mark::Failed, SUBJECT, "crawler", format!("there is no crawler {name}")).hint(hint)]
    }
}

/// A database of the catalog that lakefold writes, or would create.
async fn database(glue: &Glue, name: &str) -> Finding {
    match glue.has_database(name).await {
        Ok(true) => Finding::new(Mark::Ok, SUBJECT, "database", format!("{name} exists and can be read")),
        Ok(false) => {
            let says = format!("there is no {name} yet: the first run creates it, which cannot be tried beforehand");
            Finding::new(Mark::Skipped, SUBJECT, "database", says).hint("it takes glue:CreateDatabase: docs/iam/")
        }
        Err(refusal) => Finding::of_error(SUBJECT, "database", &refusal.into_error().context(name)),
    }
}

#[async_trait]
impl Probe for CatalogProbe {
    async fn probe(&self) -> Vec<Finding> {
        if self.places.is_empty() {
            return Vec::new();
        }
        let glue = Glue::new(&self.aws, self.lake_region.as_deref()).await;
        let looks: Vec<_> =
            self.places.iter().map(|(place, collections)| self.place(&glue, place, collections)).collect();
        let found: Vec<Vec<Finding>> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        found.into_iter().flatten().collect()
    }
}
