//! What the tests share: running programs and servers, scratch directories, models, hostile peers.

pub mod chance;
pub mod compiler;
pub mod conformance;
pub mod differential;
pub mod hostile_driver;
pub mod hostile_server;
pub mod oracle;
pub mod processes;
pub mod run;
pub mod scratch;
pub mod serving;
pub mod terminal;
pub mod tree;
