//! The reference model passes the suite that it is the model of.

use mynah_testkit::conformance::{self, Abilities};
use mynah_vfs::MemDriver;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory() {
    conformance::run(Arc::new(MemDriver::new()), Abilities::ALL).await;
}
