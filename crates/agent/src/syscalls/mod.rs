//! The handlers, by family. [`table`] says which call is whose.

pub mod args;
mod attrs;
mod cwd;
mod descriptors;
mod directories;
mod exec;
mod fifo;
mod handover;
pub(crate) mod i386;
mod ids;
mod memory;
mod mounts;
mod nameless;
mod names;
mod open;
mod openat2;
mod path_call;
mod process;
#[cfg(target_arch = "x86_64")]
mod signals;
mod sockets;
mod stat;
pub mod table;
mod watching;
mod xattr;

pub use args::Arg;
pub use table::{Class, Row, TABLE, filter, trappable};
