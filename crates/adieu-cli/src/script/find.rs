//! Scripts by file or directory.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A script's text.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Larger files are no scripts.
const LARGEST: u64 = 16 * 1024 * 1024;
/// Deeper directories are not looked into: a link may lead back up.
const DEEPEST: usize = 16;

/// The files named, and all that end in `.pkt` below the directories named, in order of their names.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            below(path, 0, &mut files)?;
            if files.len() == before {
                return Err(Failure::usage(format_args!("there is no script (*.pkt) below {}", path.display())));
            }
        } else {
            files.push(path.clone());
        }
    }
    files.iter().map(|file| read(file)).collect()
}

fn below(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let told = |error| cannot("read the directory", dir, &error);
    let mut entries = fs::read_dir(dir).map_err(told)?.collect::<Result<Vec<_>, _>>().map_err(told)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() && depth < DEEPEST {
            below(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Source, Failure> {
    let told = |error| cannot("read", path, &error);
    let mut bytes = Vec::new();
    File::open(path).map_err(told)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::usage(format_args!("{} is larger than 16 MiB: that is no script", path.display())));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format_args!("{} is not text (UTF-8): that is no script", path.display())))?;
    Ok(Source { name: path.display().to_string(), text })
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format_args!("cannot {what} {}: {error}", path.display()))
}
