//! Chirp: the protocol of a remote file system for programs, whole.
//!
//! [`proto`] is the wire without I/O; [`client`] speaks to any Chirp server, [`server`] serves any
//! [`mynah_vfs::Driver`]. Both ends speak the standard protocol with every other Chirp program, and among themselves the
//! extended dialect of `docs/formats/chirp-extensions.md`.

pub mod client;
pub mod proto;
pub mod server;
