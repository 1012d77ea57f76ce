//! The rules of the house, as tests: who may use whom, where unsafe may live, who sees the world, how files are named,
//! and that the docs are whole.
//!
//! Each rule is a function from what it reads to a list of complaints. One test applies it to the house itself; its
//! neighbour shows it a sample that must be caught, so that a rule cannot fall asleep unnoticed.

mod depend;
mod docs;
mod lints;
mod names;
mod source;
mod world;

/// Fails with every complaint on a line of its own.
fn assert_kept(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}\n  {}\n", complaints.join("\n  "));
}

/// Asserts that a sample drew exactly these complaints, told by a part of each.
fn assert_caught(complaints: &[String], parts: &[&str]) {
    assert_eq!(complaints.len(), parts.len(), "{complaints:#?}");
    for (complaint, part) in complaints.iter().zip(parts) {
        assert!(complaint.contains(part), "{complaint:?} does not tell of {part:?}");
    }
}
