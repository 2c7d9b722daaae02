//! A headless Chromium with one page, spoken to by the DevTools protocol over a pipe: no port, no driver, and it ends with
//! the pipe.

use base64::Engine as _;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// Longest silence before an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser; everything it told since the page was opened is kept.
pub struct Browser {
    child: Child,
    asked: ChildStdin,
    told: Receiver<Value>,
    number: u64,
    session: Option<String>,
    events: Vec<Value>,
    profile: TempDir,
}

impl Browser {
    /// Starts the one that `tools/install-test-servers` installed.
    pub fn start() -> Self {
        let chromium = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/browser/bin/chromium");
        assert!(chromium.exists(), "{} is missing: make test-servers", chromium.display());
        let profile = tempfile::Builder::new().prefix("lakefold-browser-").tempdir().expect("a temporary folder");
        // The protocol's pipe is file 3 and 4, which a process of Rust's does not hand on: a shell does.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"]).arg(chromium);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--lang=en-GB"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("--remote-debugging-pipe");
        // What it writes elsewhere goes with the profile too.
        command
            .env("HOME", profile.path())
            .env("XDG_CONFIG_HOME", profile.path())
            .env("XDG_CACHE_HOME", profile.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start Chromium");
        let asked = child.stdin.take().expect("its pipe");
        let mut answers = BufReader::new(child.stdout.take().expect("its pipe"));
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|bytes| bytes > 0) {
                message.pop();
                let Ok(message) = serde_json::from_slice(&std::mem::take(&mut message)) else { break };
                if tell.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self { child, asked, told, number: 0, session: None, events: Vec::new(), profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// One call of the protocol.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut request = json!({ "id": self.number, "method": method, "params": params });
        if let Some(session) = &self.session {
            request["sessionId"] = session.as_str().into();
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.asked.write_all(&bytes).and_then(|()| self.asked.flush()).expect("Chromium is gone");
        loop {
            let told = self.next();
            if told["id"] == self.number {
                assert!(told.get("error").is_none(), "{method}: {}", told["error"]);
                return told["result"].clone();
            }
            self.events.push(told);
        }
    }

    fn next(&mut self) -> Value {
        self.told.recv_timeout(PATIENCE).expect("Chromium is silent or gone")
    }

    /// Opens a file in a window of that size; a narrow one is a phone's.
    pub fn open(&mut self, page: &Path, width: u32, height: u32) {
        let phone = width < 500;
        let scale = if phone { 2 } else { 1 };
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone });
        self.call("Emulation.setDeviceMetricsOverride", size);
        self.events.clear();
        self.call("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let told = self.next();
            self.events.push(told);
        }
    }

    /// What a script gives.
    #[track_caller]
    pub fn evaluate(&mut self, script: &str) -> Value {
        let params = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer.get("exceptionDetails").is_none(), "{script}\n{}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The screen's media, such as `print`, and whether it is dark.
    pub fn emulate(&mut self, media: &str, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "media": media, "features": features }));
        // The page hears of it with the next frame.
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
    }

    /// What is wrong with the page: warnings, errors, and whatever it asked a network for.
    pub fn complaints(&self, page: &Path) -> Vec<String> {
        let own = format!("file://{}", page.display());
        let complaint = |event: &Value| {
            let params = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
                "Log.entryAdded" => Some(params["entry"].to_string()),
                "Runtime.consoleAPICalled" if params["type"] != "log" => Some(params.to_string()),
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str()?;
                    (url != own && !url.starts_with("data:")).then(|| format!("asked for {url}"))
                }
                "Network.loadingFailed" => Some(params.to_string()),
                _ => None,
            }
        };
        self.events.iter().filter_map(complaint).collect()
    }

    /// The upper part of the page, as PNG.
    pub fn picture(&mut self, width: u32, height: u32) -> Vec<u8> {
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        self.bytes("Page.captureScreenshot", json!({ "clip": clip, "captureBeyondViewport": true }))
    }

    /// The page as it is printed, as PDF.
    pub fn printed(&mut self) -> Vec<u8> {
        self.bytes("Page.printToPDF", json!({ "preferCSSPageSize": true }))
    }

    fn bytes(&mut self, method: &str, params: Value) -> Vec<u8> {
        let answer = self.call(method, params);
        let text = answer["data"].as_str().expect("data");
        base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It takes its children with it when it is asked to end; killed, it would leave them to find out by themselves.
        let close = format!("{{\"id\":{},\"method\":\"Browser.close\"}}\0", self.number + 1);
        let asked = self.asked.write_all(close.as_bytes()).and_then(|()| self.asked.flush());
        let ended = |child: &mut Child| child.try_wait().is_ok_and(|status| status.is_some());
        let patience = if asked.is_ok() { 100 } else { 0 };
        for _ in 0..patience {
            if ended(&mut self.child) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A child that is still writing makes the folder's own removal fail.
        for _ in 0..20 {
            if std::fs::remove_dir_all(self.profile.path()).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
