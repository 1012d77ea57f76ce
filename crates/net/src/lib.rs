//! Where a server is, how long to wait for it, and how to reach it.
//!
//! No module here knows a protocol. Connections are dialled directly; later also through a broker.

mod backoff;
mod deadline;
mod dial;
mod endpoint;

pub use backoff::Backoff;
pub use deadline::Deadline;
pub use dial::dial;
pub use endpoint::{Endpoint, EndpointError};
