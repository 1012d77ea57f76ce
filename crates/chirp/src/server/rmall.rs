//! Taking away a whole tree.

use mynah_vfs::{Driver, Entry, Result, VPath};

/// Takes away what is at `top`, and if it is a directory all that is in it. Links are taken away, not followed.
///
/// # Errors
/// The first one met; what was taken away before stays so.
pub(super) async fn remove_tree(driver: &dyn Driver, top: VPath) -> Result<()> {
    if !driver.lstat(&top).await?.is_dir() {
        return driver.unlink(&top).await;
    }
    // A directory is looked at twice: to empty it, and when the directories in it are gone.
    let mut todo = vec![top];
    while let Some(dir) = todo.last().cloned() {
        let below = empty_but_for_directories(driver, &dir).await?;
        if below.is_empty() {
            driver.rmdir(&dir).await?;
            todo.pop();
        }
        todo.extend(below);
    }
    Ok(())
}

/// Takes away what is no directory; gives the directories.
async fn empty_but_for_directories(driver: &dyn Driver, dir: &VPath) -> Result<Vec<VPath>> {
    let mut directories = Vec::new();
    for entry in driver.list(dir).await? {
        let path = dir.child(&entry.name);
        if is_directory(driver, &entry, &path).await? {
            directories.push(path);
        } else {
            driver.unlink(&path).await?;
        }
    }
    Ok(directories)
}

async fn is_directory(driver: &dyn Driver, entry: &Entry, path: &VPath) -> Result<bool> {
    match entry.stat {
        Some(stat) => Ok(stat.is_dir()),
        None => Ok(driver.lstat(path).await?.is_dir()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_vfs::{MemDriver, OpenHow};

    fn path(text: &str) -> VPath {
        VPath::normal(text.as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn trees_go_and_what_links_lead_to_stays() {
        let driver = MemDriver::new();
        for dir in ["/keep", "/tree", "/tree/a", "/tree/a/b", "/tree/c"] {
            driver.mkdir(&path(dir), 0o755).await.unwrap();
        }
        for file in ["/keep/f", "/tree/f", "/tree/a/b/.__acl"] {
            let how = OpenHow { write: true, create: true, mode: 0o600, ..OpenHow::default() };
            driver.open(&path(file), how).await.unwrap();
        }
        driver.symlink(b"/keep", &path("/tree/c/link")).await.unwrap();
        remove_tree(&driver, path("/tree")).await.unwrap();
        remove_tree(&driver, path("/keep/f")).await.unwrap();
        let left: Vec<Vec<u8>> = driver.list(&path("/")).await.unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(left, [b"keep".to_vec()]);
    }
}
