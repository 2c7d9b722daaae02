//! P4 with the real program: SIGKILL by the clock, then a run to the end, beside a lake that is never disturbed.

use crate::support::ground::{Clinic, Ground};
use crate::support::s3::S3;
use crate::support::soak::{asked, covered};
use mongodb::bson::doc;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::{Duration, Instant};

/// Runs killed before each one that is let go to its end.
const KILLS: u32 = 2;

/// How often the whole history is gone through.
fn times() -> u64 {
    asked("LAKEFOLD_KILL_TIMES").unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_on_disk() {
    for _ in 0..times() {
        let mut clinic = Clinic::with(120).await;
        let (killed, undisturbed) = (Ground::disk(&clinic), Ground::disk(&clinic));
        history(&mut clinic, &killed, &undisturbed, 9).await;
        clinic.drop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_in_s3() {
    let server = S3::moto();
    for turn in 0..times() {
        let mut clinic = Clinic::with(60).await;
        let prefix = format!("killed-{turn}");
        let (killed, undisturbed) = (Ground::s3(&clinic, &server, &prefix), Ground::disk(&clinic));
        history(&mut clinic, &killed, &undisturbed, 4).await;
        clinic.drop().await;
    }
}

async fn history(clinic: &mut Clinic, killed: &Ground<'_>, undisturbed: &Ground<'_>, steps: u32) {
    let seed = rand::random();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for step in 0..steps {
        // The first step is the first load.
        let flags: &[&str] = match step {
            4 | 7 => &["--full"],
            _ => &[],
        };
        match step {
            0 => {}
            // An integer column becomes text, another one a double, and ids stop being numbers only.
            1 => clinic.set(3, doc! { "n": "three" }).await,
            2 => clinic.set(4, doc! { "price": 4 }).await,
            3 => clinic.set(5, doc! { "price": 5.5 }).await,
            4 | 7 => clinic.delete(step as i32 * 3..step as i32 * 3 + 9).await,
            5 => clinic.set("six", doc! { "n": 6, "site": "S1" }).await,
            _ => clinic.set(1, doc! { "items": [{ "price": 1 }, { "price": "free" }] }).await,
        }
        if step > 0 {
            clinic.change(&mut rng).await;
        }
        let started = Instant::now();
        undisturbed.run(flags);
        let length = started.elapsed();
        let mut moments = Vec::new();
        for _ in 0..KILLS {
            let moment = length.mul_f64(rng.random_range(0.05..1.1));
            kill_after(killed, flags, moment);
            moments.push(moment);
        }
        killed.run(flags);
        let (left, right) = (killed.seen().await, undisturbed.seen().await);
        assert_eq!(left, right, "seed {seed}, step {step}: killed after {moments:?} (left), undisturbed (right)");
        for (left, right) in left.iter().zip(&right) {
            assert!(left.watermark.0 >= right.watermark.0, "seed {seed}, step {step}: the watermark is behind");
        }
    }
    killed.rests();
    covered(format_args!("{} kills by the clock, seed {seed}", steps * KILLS));
}

fn kill_after(ground: &Ground<'_>, flags: &[&str], moment: Duration) {
    let mut child = ground.start(flags);
    std::thread::sleep(moment);
    child.kill().expect("kill a child that nobody has waited for");
    child.wait().expect("wait");
}
