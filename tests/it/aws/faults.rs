//! Credentials that expire while a run goes on: what landed stays, every collection says why it did not.

use super::{bills, environment};
use crate::support::lakefold::Ended;
use crate::support::s3::S3;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Passes the first `honest` requests on to the server and answers the others as S3 answers an expired token. moto closes
/// each connection after its answer, so that a connection is a request.
fn expiring(server: &S3, honest: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let endpoint = format!("http://{}", listener.local_addr().expect("address"));
    let upstream = server.endpoint().trim_start_matches("http://").to_owned();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let upstream = upstream.clone();
            std::thread::spawn(move || match number < honest {
                true => relay(client, &upstream),
                false => refuse(client),
            });
        }
    });
    (endpoint, asked)
}

fn relay(client: TcpStream, upstream: &str) {
    let Ok(server) = TcpStream::connect(upstream) else { return };
    let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else { return };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
    });
    let (mut from_server, mut to_client) = (server, client);
    let _ = std::io::copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Both);
}

fn refuse(mut client: TcpStream) {
    let mut buffer = [0; 65_536];
    let _ = client.read(&mut buffer);
    let body = "<?xml version=\"1.0\"?><Error><Code>ExpiredToken</Code><Message>The provided token has expired. \
                hunter2</Message></Error>";
    let head = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = client.write_all(format!("{head}{body}").as_bytes());
}

#[test]
fn a_token_that_expires_leaves_the_data_safe() {
    let server = S3::moto();
    let place = bills(3);
    let fold = |endpoint: &str, code: i32| {
        place.write("env/test.toml", environment(&server, &format!("endpoint = \"{endpoint}\"\n")));
        let mut command = place.command(&["run", "--env", "test", "--json"]);
        let ended = Ended::of(command.envs(server.variables()).output().expect("start lakefold"));
        assert_eq!(ended.code, code, "{ended}");
        let record: serde_json::Value = serde_json::from_str(&ended.stdout).expect("a record");
        record
    };
    // As many requests as a whole run takes, less a few: the token expires just before the end.
    let (endpoint, asked) = expiring(&server, usize::MAX);
    fold(&endpoint, 0);
    let whole = asked.load(Ordering::SeqCst);

    let server_side = |place: &crate::support::lakefold::Workplace| {
        place.write("env/test.toml", environment(&server, ""));
    };
    for kept in [whole / 2, whole.saturating_sub(4)] {
        assert_eq!(server.plain("POST", "/moto-api/reset", "").0, 200);
        assert_eq!(server.signed("PUT", "", "").0, 200, "create the bucket");
        let (endpoint, _) = expiring(&server, kept);
        let record = fold(&endpoint, 1);
        let collection = &record["collections"][0];
        let reason = collection["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("the credentials have expired") && !reason.contains("hunter2"), "{record:#}");
        // Whoever comes next with credentials that hold finds everything as if nothing had happened.
        server_side(&place);
        let record = fold(&server.endpoint(), 0);
        let rows = &record["collections"][0]["rows"];
        assert_eq!(
            (&rows["read"], record["collections"][0]["outcome"].as_str()),
            (&3.into(), Some("ok")),
            "{record:#}"
        );
    }
}
