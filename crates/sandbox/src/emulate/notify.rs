//! Receiving referred system calls, looking into their callers' memory, and answering.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// One system call that waits for an answer.
pub(super) struct Call {
    /// Names it to the kernel.
    id: u64,
    /// The calling thread, as this process's namespace counts.
    pub(super) pid: i32,
    /// The call's number.
    pub(super) number: libc::c_long,
    /// Its arguments.
    pub(super) arguments: [u64; 6],
}

/// What a call is answered.
pub(super) enum Answer {
    /// The kernel shall do it.
    Continue,
    /// It has been done; it gives 0.
    Done,
    /// It has failed, with this error number.
    Failed(i32),
}

impl From<io::Error> for Answer {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl From<rustix::io::Errno> for Answer {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Failed(error.raw_os_error())
    }
}

/// Receives a call. `None`: its caller was gone before it could be received.
pub(super) fn receive(listener: &OwnedFd) -> io::Result<Option<Call>> {
    // The kernel insists on zeros. A newer kernel's structure may be larger than ours.
    let mut buffer = [0u64; 64];
    // SAFETY: the buffer is larger than any `struct seccomp_notif`, aligned, and zero.
    let answer = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV as _, buffer.as_mut_ptr()) };
    if answer < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENOENT | libc::EINTR) => Ok(None),
            _ => Err(error),
        };
    }
    // SAFETY: the kernel has filled it in.
    let notif = unsafe { buffer.as_ptr().cast::<libc::seccomp_notif>().read() };
    let pid = i32::try_from(notif.pid).unwrap_or(0);
    Ok(Some(Call { id: notif.id, pid, number: notif.data.nr.into(), arguments: notif.data.args }))
}

/// Answers a call. That its caller is gone is fine.
pub(super) fn answer(listener: &OwnedFd, call: &Call, answer: Answer) -> io::Result<()> {
    let (error, flags) = match answer {
        Answer::Continue => (0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        Answer::Done => (0, 0),
        Answer::Failed(errno) => (-errno, 0),
    };
    let mut response = libc::seccomp_notif_resp { id: call.id, val: 0, error, flags };
    // SAFETY: the structure is valid for the call.
    let sent = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND as _, &raw mut response) };
    if sent < 0 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ENOENT) {
            return Err(error);
        }
    }
    Ok(())
}

impl Call {
    /// Reads `buffer.len()` bytes, or fewer at the end of what is mapped, of the caller's memory.
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: buffer.len() };
        // SAFETY: the local part is a valid buffer; the remote part is only looked up in the other process.
        let n = unsafe { libc::process_vm_readv(self.pid, &raw const local, 1, &raw const remote, 1, 0) };
        usize::try_from(n).map_err(|_| io::Error::last_os_error())
    }

    /// Reads a NUL-terminated string of at most 4096 bytes from the caller's memory.
    pub(super) fn string(&self, address: u64) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut chunk = [0u8; 512];
        while text.len() < 4096 {
            let from = address.wrapping_add(text.len() as u64);
            // Never across a page: the next one may not be there.
            let room = (4096 - (from % 4096) as usize).min(chunk.len());
            let n = self.read(from, &mut chunk[..room])?;
            if let Some(end) = chunk[..n].iter().position(|b| *b == 0) {
                text.extend_from_slice(&chunk[..end]);
                return Ok(text);
            }
            if n == 0 {
                return Err(io::Error::from_raw_os_error(libc::EFAULT));
            }
            text.extend_from_slice(&chunk[..n]);
        }
        Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG))
    }

    /// Reads exactly `length` bytes, at most 64 KiB.
    pub(super) fn bytes(&self, address: u64, length: u64) -> io::Result<Vec<u8>> {
        let fault = || io::Error::from_raw_os_error(libc::EFAULT);
        let length = usize::try_from(length).ok().filter(|l| *l <= 64 << 10).ok_or_else(fault)?;
        let mut bytes = vec![0u8; length];
        if self.read(address, &mut bytes)? == length { Ok(bytes) } else { Err(fault()) }
    }

    /// Writes a plain structure into the caller's memory.
    pub(super) fn write<T: Copy>(&self, address: u64, value: &T) -> io::Result<()> {
        let size = std::mem::size_of::<T>();
        let local = libc::iovec { iov_base: std::ptr::from_ref(value).cast_mut().cast(), iov_len: size };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: size };
        // SAFETY: the local part is `value`; the kernel only reads it. The remote part is checked by the kernel.
        let n = unsafe { libc::process_vm_writev(self.pid, &raw const local, 1, &raw const remote, 1, 0) };
        if usize::try_from(n) == Ok(size) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EFAULT)) }
    }
}
