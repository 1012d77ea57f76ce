//! The layer over drivers passes on all that a driver can be asked: a default of the trait in its place would make a run
//! that is traced another run.

const TRAITS: &str = include_str!("../../vfs/src/driver.rs");
const LAYER: &str = include_str!("../src/trace/layer.rs");

/// The names of the functions from `head` to the end of that block.
fn functions<'a>(source: &'a str, head: &str) -> Vec<&'a str> {
    let from = source.find(head).unwrap_or_else(|| panic!("no {head}"));
    let block = source[from..].split("\n}").next().expect("a block");
    let names = block.lines().filter_map(|line| line.trim_start().strip_prefix("fn "));
    names.filter_map(|rest| rest.split(['(', '<']).next()).collect()
}

#[test]
fn every_method_is_passed_on() {
    for (trait_head, layer_head, least) in [
        ("pub trait Driver:", "impl Driver for Traced {", 20),
        ("pub trait File:", "impl File for TracedFile {", 6),
    ] {
        let methods = functions(TRAITS, trait_head);
        assert!(methods.len() >= least, "{methods:?}");
        let passed_on = functions(LAYER, layer_head);
        for method in methods {
            assert!(
                passed_on.contains(&method),
                "{method} of {trait_head} is not passed on by the trace's layer"
            );
        }
    }
}
