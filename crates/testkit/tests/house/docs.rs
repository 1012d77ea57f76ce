//! The docs are whole: every page is in the summary, every link leads somewhere.

use crate::source::{files_below, root};
use crate::{assert_caught, assert_kept};
use mynah_vfs::mounts::{MountOption, OPTIONS};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Folder of the book's pages.
const BOOK: &str = "docs/src";
const SUMMARY: &str = "docs/src/SUMMARY.md";

/// Pages outside the book whose links are checked too.
const FRONT: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// The page that describes what a mount can say.
const MOUNTS: &str = "docs/src/formats/mounts.md";

/// Path from the root of the repository to text.
type Pages = BTreeMap<String, String>;

fn pages() -> Pages {
    let paths = files_below(BOOK, "md").into_iter().chain(FRONT.iter().map(|&path| path.to_owned()));
    paths.map(|path| (path.clone(), std::fs::read_to_string(root().join(&path)).expect(&path))).collect()
}

fn check_summary(pages: &Pages) -> Vec<String> {
    let listed: Vec<String> =
        links(&pages[SUMMARY]).into_iter().filter_map(|(_, link)| resolve(SUMMARY, &link)).collect();
    let in_book = pages.keys().filter(|path| path.starts_with(BOOK) && *path != SUMMARY);
    let mut complaints: Vec<String> = in_book
        .filter(|path| !listed.contains(path))
        .map(|path| format!("{path} is not in {SUMMARY}"))
        .collect();
    let mut seen = Vec::new();
    for path in &listed {
        if seen.contains(&path) {
            complaints.push(format!("{SUMMARY} lists {path} twice"));
        }
        seen.push(path);
    }
    complaints
}

fn check_links(pages: &Pages, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in pages {
        for (line, link) in links(text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (_, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = resolve(path, &link);
            let leads = target.as_ref().is_some_and(|target| {
                let known = pages.get(target);
                let there = known.is_some() || exists(target);
                there
                    && (anchor.is_empty()
                        || known.is_some_and(|text| anchors(text).iter().any(|a| a == anchor)))
            });
            if !leads {
                complaints.push(format!("{path}:{line}: {link} leads nowhere"));
            }
        }
    }
    complaints
}

/// The lines of a page outside fenced code, with their numbers from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// The targets of `[text](target)`, with their lines. Code spans are left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let spoken: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        for (at, _) in spoken.match_indices("](") {
            if let Some(end) = spoken[at + 2..].find(')') {
                found.push((number, spoken[at + 2..at + 2 + end].to_owned()));
            }
        }
    }
    found
}

/// The anchors of a page's headings, as mdBook and the forges make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Where a link on the page `from` leads, as a path from the root; `None` if it leads out of the repository.
fn resolve(from: &str, link: &str) -> Option<String> {
    let file = link.split('#').next().unwrap_or("");
    if file.is_empty() {
        return Some(from.to_owned());
    }
    let mut path = PathBuf::new();
    for component in Path::new(from).parent()?.join(file).components() {
        match component {
            Component::ParentDir => path.pop().then_some(())?,
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_str().map(str::to_owned)
}

#[test]
fn docs_every_page_is_in_the_summary() {
    assert_kept("The book is whole:", &check_summary(&pages()));
}

#[test]
fn docs_every_link_leads_somewhere() {
    assert_kept("Links:", &check_links(&pages(), |path| root().join(path).exists()));
}

#[test]
fn docs_describe_every_mount_option() {
    let page = std::fs::read_to_string(root().join(MOUNTS)).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let is_there = |option: &&MountOption| rows.iter().any(|row| row.starts_with(&format!("| `{option}` |")));
    let lost = OPTIONS.iter().filter(|option| !is_there(option));
    let complaints: Vec<String> = lost.map(|option| format!("{MOUNTS} has no row for {option}")).collect();
    assert_kept("Mount options:", &complaints);
}

#[test]
fn docs_lost_pages_and_dead_links_are_caught() {
    let page = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let pages = Pages::from([
        page(SUMMARY, "- [A](a.md)\n- [Again](a.md)\n"),
        page(
            "docs/src/a.md",
            "# A page: one\n[b](b.md) [out](https://x.test) [top](#a-page-one) [no](#two)\n```\n[c](c.md)\n```\n`[d](d.md)`",
        ),
        page("docs/src/sub/lost.md", "[up](../a.md#a-page-one) [far](../../../../x)"),
    ]);
    assert_caught(&check_summary(&pages), &["sub/lost.md is not in", "a.md twice"]);
    assert_caught(&check_links(&pages, |_| false), &["b.md leads", "#two leads", "x leads nowhere"]);
}
