//! Crawlers: looked at, pointed at more folders, started, created.

use super::{Answer, Glue, refused, unless_missing, written};
use aws_sdk_glue::config::retry::RetryConfig;
use aws_sdk_glue::types::{
    CrawlerState, CrawlerTargets, DeleteBehavior, LastCrawlStatus, RecrawlBehavior, RecrawlPolicy, S3Target,
    SchemaChangePolicy, UpdateBehavior,
};

/// A crawler as Glue describes it.
#[derive(Debug, Clone)]
pub struct Crawler {
    /// It can be changed and started.
    pub ready: bool,
    /// The database it writes its tables to.
    pub database: Option<String>,
    /// What stands before the names of its tables.
    pub prefix: String,
    /// Its targets cannot be changed: it looks at new folders only.
    pub fixed: bool,
    /// What it looks at again, in Glue's word: `CRAWL_EVERYTHING`.
    pub recrawl: String,
    /// It leaves its tables as they are when it finds new columns.
    pub only_logs: bool,
    /// When its last crawl began, in milliseconds since 1970.
    pub crawled_at: Option<i64>,
    /// Why its last crawl failed or was stopped.
    pub failure: Option<String>,
    targets: CrawlerTargets,
}

/// A crawler that is to be created.
#[derive(Debug, Clone)]
pub struct CrawlerPlan {
    /// Its name.
    pub name: String,
    /// Name or ARN of its role.
    pub role: String,
    /// The database of its tables.
    pub database: String,
    /// Include paths, one for each table.
    pub paths: Vec<String>,
    /// How deep below the bucket, which is level 1, the folders of tables are.
    pub table_level: usize,
}

impl Crawler {
    /// Whether a crawl has begun since it looked like `before`.
    pub fn has_begun_since(&self, before: &Crawler) -> bool {
        !self.ready || self.crawled_at != before.crawled_at
    }

    /// Those of `paths` that are no targets yet; a `/` at the end makes no difference.
    pub fn lacks(&self, paths: &[String]) -> Vec<String> {
        let bare = |path: &str| path.trim_end_matches('/').to_owned();
        let has: Vec<String> = self.targets.s3_targets().iter().filter_map(|target| target.path()).map(bare).collect();
        paths.iter().filter(|path| !has.contains(&bare(path))).cloned().collect()
    }
}

impl CrawlerPlan {
    /// One table for each include path, columns only ever added, partitions as their table.
    pub fn configuration(&self) -> String {
        serde_json::json!({
            "Version": 1.0,
            "CrawlerOutput": {
                "Partitions": { "AddOrUpdateBehavior": "InheritFromTable" },
                "Tables": { "AddOrUpdateBehavior": "MergeNewColumns" },
            },
            "Grouping": {
                "TableGroupingPolicy": "CombineCompatibleSchemas",
                "TableLevelConfiguration": self.table_level,
            },
        })
        .to_string()
    }

    /// The command that creates it, for whoever may.
    pub fn command(&self) -> String {
        let targets: Vec<_> = self.paths.iter().map(|path| serde_json::json!({ "Path": path })).collect();
        let targets = serde_json::json!({ "S3Targets": targets });
        format!(
            "aws glue create-crawler --name '{}' --role '{}' --database-name '{}' --targets '{targets}' \
             --schema-change-policy UpdateBehavior=UPDATE_IN_DATABASE,DeleteBehavior=LOG --recrawl-policy \
             RecrawlBehavior=CRAWL_EVERYTHING --configuration '{}'",
            self.name,
            self.role,
            self.database,
            self.configuration()
        )
    }
}

impl Glue {
    /// The crawler, if there is one.
    pub async fn crawler(&self, name: &str) -> Answer<Option<Crawler>> {
        let call = "glue:GetCrawler";
        let answer = self.client.get_crawler().name(name).send().await.map_err(refused(call));
        let Some(found) = unless_missing(answer)?.and_then(|output| output.crawler) else { return Ok(None) };
        let last = found.last_crawl();
        let failed = last.and_then(|last| last.status()).filter(|status| **status != LastCrawlStatus::Succeeded);
        let why = last.and_then(|last| last.error_message()).unwrap_or("see its log");
        let recrawl = found.recrawl_policy().and_then(|policy| policy.recrawl_behavior());
        let recrawl = recrawl.unwrap_or(&RecrawlBehavior::CrawlEverything).clone();
        Ok(Some(Crawler {
            crawled_at: last.and_then(|last| last.start_time()).and_then(|time| time.to_millis().ok()),
            ready: found.state() == Some(&CrawlerState::Ready),
            failure: failed.map(|status| format!("{}: {}", status.as_str(), crate::model::redact::quoted(why))),
            fixed: recrawl == RecrawlBehavior::CrawlNewFoldersOnly,
            recrawl: recrawl.as_str().to_owned(),
            only_logs: found.schema_change_policy().and_then(|policy| policy.update_behavior())
                == Some(&UpdateBehavior::Log),
            database: found.database_name,
            prefix: found.table_prefix.unwrap_or_default(),
            targets: found.targets.unwrap_or_else(|| CrawlerTargets::builder().build()),
        }))
    }

    /// Points the crawler at `paths` as well. Glue replaces all targets by those sent, so that all it had are sent
    /// again, of every kind and with their exclusions; nothing else of the crawler is named, so nothing else changes.
    pub async fn add_targets(&self, name: &str, crawler: &Crawler, paths: &[String]) -> Answer<()> {
        let mut targets = crawler.targets.clone();
        let added = paths.iter().map(|path| S3Target::builder().path(path).build());
        targets.s3_targets = Some(targets.s3_targets.unwrap_or_default().into_iter().chain(added).collect());
        let call = "glue:UpdateCrawler";
        let request = self.client.update_crawler().name(name).targets(targets);
        written(request.send()).await.map_err(refused(call)).map(drop)
    }

    /// Starts it, with one try: the SDK would repeat an order whose answer got lost, and Glue refuses that because of the
    /// crawl that the first one began.
    pub async fn start_crawler(&self, name: &str) -> Answer<()> {
        let once = aws_sdk_glue::Config::builder().retry_config(RetryConfig::disabled());
        let request = self.client.start_crawler().name(name).customize().config_override(once);
        written(request.send()).await.map_err(refused("glue:StartCrawler")).map(drop)
    }

    /// Creates it.
    pub async fn create_crawler(&self, plan: &CrawlerPlan) -> Answer<()> {
        let call = "glue:CreateCrawler";
        let targets = plan.paths.iter().map(|path| S3Target::builder().path(path).build()).collect();
        let recrawl = RecrawlPolicy::builder().recrawl_behavior(RecrawlBehavior::CrawlEverything).build();
        // A table whose folder is empty for a while is not to be taken away.
        let policy = SchemaChangePolicy::builder()
            .update_behavior(UpdateBehavior::UpdateInDatabase)
            .delete_behavior(DeleteBehavior::Log)
            .build();
        let request = self
            .client
            .create_crawler()
            .name(&plan.name)
            .role(&plan.role)
            .database_name(&plan.database)
            .targets(CrawlerTargets::builder().set_s3_targets(Some(targets)).build())
            .schema_change_policy(policy)
            .recrawl_policy(recrawl)
            .configuration(plan.configuration());
        written(request.send()).await.map_err(refused(call)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crawler(paths: &[&str]) -> Crawler {
        let targets = paths.iter().map(|&path| S3Target::builder().path(path).build()).collect();
        Crawler {
            ready: true,
            database: None,
            prefix: String::new(),
            fixed: false,
            recrawl: "CRAWL_EVERYTHING".into(),
            only_logs: false,
            crawled_at: None,
            failure: None,
            targets: CrawlerTargets::builder().set_s3_targets(Some(targets)).build(),
        }
    }

    #[test]
    fn a_slash_at_the_end_makes_no_other_target() {
        let has = crawler(&["s3://b/lake/h/bills", "s3://b/lake/h/visits/"]);
        let paths = ["s3://b/lake/h/bills/", "s3://b/lake/h/visits", "s3://b/lake/h/bill/"].map(str::to_owned);
        assert_eq!(has.lacks(&paths), ["s3://b/lake/h/bill/"]);
    }
}
