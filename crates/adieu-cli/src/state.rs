//! What outlives the process, in a file that only its owner reads (`--state`).

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use adieu::Suspended;

use crate::failure::Failure;

/// What an earlier process has left in `path`; `None` where there is no such file yet. Makes sure, too, that it can be
/// written at the end.
///
/// # Errors
/// Where the file is something else, which then stays as it is, or cannot be read or written.
pub(crate) fn read(path: &Path) -> Result<Option<Suspended>, Failure> {
    let name = path.display();
    let suspended = match fs::read(path) {
        Ok(bytes) => Some(Suspended::from_bytes(&bytes).map_err(|error| {
            Failure::usage(format_args!("cannot use the state in {name}: {error}; name another file, or remove it"))
        })?),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::usage(format_args!("cannot read the state in {name}: {error}"))),
    };
    let beside = beside(path);
    create(&beside).and_then(|_| fs::remove_file(&beside)).map_err(|error| unwritable(path, &error))?;
    Ok(suspended)
}

/// Puts it in the place of what was there, all of it or nothing.
///
/// # Errors
/// Where it cannot be written; what was there stays.
pub(crate) fn write(path: &Path, suspended: &Suspended) -> Result<(), Failure> {
    let beside = beside(path);
    let written = || {
        let mut file = create(&beside)?;
        file.write_all(&suspended.to_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    written().map_err(|error| unwritable(path, &error))
}

/// A new file for its owner alone, in the place of one that another process has left behind.
fn create(path: &Path) -> io::Result<fs::File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format_args!("cannot write the state to {}: {error}", path.display()))
}
