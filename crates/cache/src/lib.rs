//! Placeholders: the local files that stand for remote objects while a program has them open.
//!
//! A placeholder is an ordinary file, directory or FIFO in a directory that belongs to one agent alone. The program gets
//! a descriptor of it, so reading, seeking, mapping, locking and polling are the kernel's own. The crate knows nothing
//! of what a placeholder stands for; it makes them, tells when they were written and closed, and takes them away.

mod changes;
mod store;

pub use changes::{Changes, Watched};
pub use store::{Fit, Ident, Placeholder, PlaceholderKind, Store, StoreError, sweep};
