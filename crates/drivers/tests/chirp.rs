//! The Chirp driver against our own server over loopback: the suite, and what only a network can do to it.

use mynah_chirp::server::{Server, ServerConfig};
use mynah_drivers::{ChirpDriver, ChirpOptions, LocalDriver};
use mynah_net::Endpoint;
use mynah_testkit::conformance::{self, Abilities};
use mynah_testkit::differential::{self, Plan};
use mynah_testkit::scratch::Scratch;
use mynah_vfs::{Driver, MemDriver};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// An empty directory, in a process whose umask does not touch modes: what every server process does.
fn scratch(name: &str) -> Scratch {
    rustix::process::umask(rustix::fs::Mode::empty());
    Scratch::new(name).expect("a scratch directory")
}

/// Whether the file system can hold `user.` attributes: not every one that a test may run on does.
fn has_xattrs(dir: &Path) -> bool {
    let probe = dir.join("probe");
    fs::write(&probe, "").expect("a writable directory");
    let can = rustix::fs::setxattr(&probe, "user.probe", b"", rustix::fs::XattrFlags::empty()).is_ok();
    fs::remove_file(probe).expect("our own file");
    can
}

fn serve(driver: Arc<dyn Driver>) -> Arc<dyn Driver> {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(loopback, driver, ServerConfig::of_this_process()).expect("a free port");
    let port = server.local_addr().port();
    tokio::spawn(server.run(std::future::pending()));
    ChirpDriver::new(Endpoint::new("127.0.0.1", port).expect("an address"), ChirpOptions::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn suite_over_a_directory() {
    let dir = scratch("chirp-suite");
    let able = Abilities { xattrs: has_xattrs(dir.path()), ..Abilities::ALL };
    conformance::run(serve(LocalDriver::new(dir.path()).unwrap()), able).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn suite_over_memory() {
    conformance::run(serve(Arc::new(MemDriver::new())), Abilities::ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn agrees_with_the_model() {
    for seed in 1..=5 {
        let dir = scratch("chirp-differential");
        let able = Abilities { xattrs: has_xattrs(dir.path()), ..Abilities::ALL };
        let driver = serve(LocalDriver::new(dir.path()).unwrap());
        differential::run(&MemDriver::new(), &*driver, Plan { seed, steps: 1000, able }).await;
    }
}
