//! A real replica set of three on loopback, whose members can be killed, come back, step down and lag.

use super::mongod::Mongod;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long an election may take on two busy cores.
const ELECTION_LIMIT: Duration = Duration::from_secs(60);

/// Three members; a dead primary is replaced after about two seconds. Clones speak of the same set.
#[derive(Clone)]
pub struct ReplicaSet {
    members: Arc<[Mutex<Mongod>]>,
    ports: [u16; 3],
}

impl ReplicaSet {
    /// Three members that may all become primary.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// Two such members, and a third that never becomes primary, known by the tag `role: late`.
    pub fn with_tagged() -> Self {
        let set = Self::with(|members| {
            let third = members.last_mut().expect("three members");
            third.insert("priority", 0);
            third.insert("tags", doc! { "role": "late" });
        });
        set.await_secondary(2);
        set
    }

    fn with(change: impl Fn(&mut [Document])) -> Self {
        let launch = || {
            let server = Mongod::launch(&["--replSet", "rs0", "--oplogSize", "64"]);
            server.wait_for("a ping", doc! { "ping": 1 }, |_| true);
            server
        };
        let launched: Vec<Mongod> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..3).map(|_| scope.spawn(launch)).collect();
            starting.into_iter().map(|member| member.join().expect("a member starts")).collect()
        });
        let mut configured: Vec<Document> = (0..)
            .zip(&launched)
            .map(|(id, member)| doc! { "_id": id, "host": format!("127.0.0.1:{}", member.port()) })
            .collect();
        change(&mut configured);
        let config = doc! {
            "_id": "rs0",
            "members": configured,
            "settings": { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 },
        };
        let ports = [0, 1, 2].map(|member: usize| launched[member].port());
        let set = Self { members: launched.into_iter().map(Mutex::new).collect(), ports };
        set.command(0, "admin", doc! { "replSetInitiate": config }).expect("initiate the replica set");
        set.await_primary();
        set.await_secondary(1);
        set
    }

    /// The connection string, with `options` such as `readPreference=secondary` (without `?`).
    pub fn uri(&self, options: &str) -> String {
        let hosts: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("mongodb://{}/?replicaSet=rs0&{options}", hosts.join(","))
    }

    /// The connection string of one member, whatever its office.
    pub fn uri_of(&self, member: usize) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true", self.ports[member])
    }

    /// A client of the calling runtime.
    pub async fn client(&self) -> Client {
        Client::with_uri_str(self.uri("w=majority")).await.expect("a client for the replica set")
    }

    /// Which member is primary; waits for an election.
    pub fn await_primary(&self) -> usize {
        let started = Instant::now();
        loop {
            let is_primary = |member: &usize| {
                let hello = self.command(*member, "admin", doc! { "hello": 1 });
                hello.is_ok_and(|reply| reply.get_bool("isWritablePrimary").unwrap_or(false))
            };
            if let Some(primary) = (0..3).find(is_primary) {
                return primary;
            }
            assert!(started.elapsed() < ELECTION_LIMIT, "no primary is elected");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn await_secondary(&self, member: usize) {
        self.member(member).wait_for("being a member", doc! { "hello": 1 }, |reply| {
            reply.get_bool("secondary").unwrap_or(false) || reply.get_bool("isWritablePrimary").unwrap_or(false)
        });
    }

    fn member(&self, member: usize) -> MutexGuard<'_, Mongod> {
        self.members[member].lock().expect("a member")
    }

    /// Runs a command on one member, whatever its office.
    pub fn command(&self, member: usize, database: &str, command: Document) -> mongodb::error::Result<Document> {
        self.member(member).command_on(database, command)
    }

    /// As [`Mongod::kill_cursors`], on one member.
    pub fn kill_cursors(&self, member: usize, database: &str, collection: &str) -> usize {
        self.member(member).kill_cursors(database, collection)
    }

    /// Repeats a command on one member until `ready` agrees with its answer.
    pub fn await_reply(&self, member: usize, database: &str, command: Document, ready: impl Fn(&Document) -> bool) {
        let started = Instant::now();
        while !self.command(member, database, command.clone()).is_ok_and(|reply| ready(&reply)) {
            assert!(started.elapsed() < ELECTION_LIMIT, "{command} is never answered as it should be");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The primary gives up its office for a while.
    pub fn step_down(&self) {
        let primary = self.await_primary();
        let down = doc! { "replSetStepDown": 20, "secondaryCatchUpPeriodSecs": 10 };
        self.command(primary, "admin", down).expect("step down");
        assert_ne!(self.await_primary(), primary);
    }

    /// Kills the primary and says which member it was.
    pub fn kill_primary(&self) -> usize {
        let primary = self.await_primary();
        self.member(primary).kill();
        primary
    }

    /// Starts a killed member again.
    pub fn restart(&self, member: usize) {
        self.member(member).restart();
        self.await_primary();
        self.await_secondary(member);
    }

    /// Stops a member from applying what the primary wrote, and lets it go on; it is a secondary all the while.
    pub fn hold_back(&self, member: usize, held: bool) {
        let mode = if held { "alwaysOn" } else { "off" };
        let point = doc! { "configureFailPoint": "rsSyncApplyStop", "mode": mode };
        self.command(member, "admin", point).expect("set the failpoint");
    }

    /// Configures the third member to show everything so many seconds late; drivers are not told of such a member.
    pub fn set_delay(&self, seconds: i64) {
        let primary = self.await_primary();
        let reply = self.command(primary, "admin", doc! { "replSetGetConfig": 1 }).expect("the configuration");
        let mut config = reply.get_document("config").expect("the configuration").clone();
        let version = config.get_i32("version").expect("a version");
        config.insert("version", version + 1);
        let members = config.get_array("members").expect("members");
        let mut documents: Vec<Document> = members.iter().filter_map(|member| member.as_document().cloned()).collect();
        documents.last_mut().expect("three members").insert("secondaryDelaySecs", seconds);
        config.insert("members", documents);
        self.command(primary, "admin", doc! { "replSetReconfig": config }).expect("reconfigure");
    }
}
