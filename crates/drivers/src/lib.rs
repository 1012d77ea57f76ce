//! Storage drivers: one file or folder each, and the registry that knows them all.

pub mod chirp;
pub mod local;
pub mod registry;

pub use chirp::{ChirpDriver, ChirpOptions};
pub use local::LocalDriver;
pub use registry::{ConnectOptions, Row, connect, rows};
