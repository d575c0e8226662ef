//! The kernel's error numbers in words.

use core::fmt;

use rustix::io::Errno;

/// Shows an error number as `permission denied (EACCES)`.
pub(crate) struct Text(pub(crate) Errno);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            Errno::ACCESS => "permission denied (EACCES)",
            Errno::PERM => "operation not permitted (EPERM)",
            Errno::NOENT => "no such file or directory (ENOENT)",
            Errno::NOTDIR => "not a directory (ENOTDIR)",
            Errno::ISDIR => "is a directory (EISDIR)",
            Errno::IO => "input/output error (EIO)",
            Errno::NOEXEC => "exec format error (ENOEXEC)",
            Errno::TXTBSY => "text file busy (ETXTBSY)",
            Errno::NOSPC => "no space left on device (ENOSPC)",
            Errno::DQUOT => "disk quota exceeded (EDQUOT)",
            Errno::ROFS => "read-only file system (EROFS)",
            Errno::NOMEM => "out of memory (ENOMEM)",
            Errno::AGAIN => "resource temporarily unavailable (EAGAIN)",
            Errno::INVAL => "invalid argument (EINVAL)",
            Errno::NOSYS => "not known to this kernel (ENOSYS)",
            Errno::MFILE => "too many open files (EMFILE)",
            Errno::ADDRINUSE => "address in use (EADDRINUSE)",
            Errno::ADDRNOTAVAIL => "address not available (EADDRNOTAVAIL)",
            Errno::AFNOSUPPORT => "address family not supported (EAFNOSUPPORT)",
            other => return write!(f, "error {}", other.raw_os_error()),
        };
        f.write_str(text)
    }
}
