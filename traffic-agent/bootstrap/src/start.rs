//! What the kernel puts on the stack: arguments and environment; and lists of the same form for the agent.

#![allow(unsafe_code, reason = "argv and envp are zero-terminated arrays of pointers")]

use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

type Strings = *const *const c_char;

/// Arguments and environment of this process.
#[derive(Debug)]
pub struct Start {
    argv: Strings,
    envp: Strings,
}

impl Start {
    /// Reads the stack as the kernel hands it to a new program.
    ///
    /// # Safety
    ///
    /// `stack` is the stack pointer at the first instruction: argc, argv, zero, envp, zero.
    #[must_use]
    pub unsafe fn from_stack(stack: *const usize) -> Self {
        // SAFETY: the caller vouches for the layout.
        unsafe {
            let argv = stack.add(1).cast();
            Self { argv, envp: stack.add(2 + *stack).cast() }
        }
    }

    /// The arguments behind the program's name.
    pub(crate) fn args(&self) -> impl Iterator<Item = &'static CStr> + Clone + use<> {
        // SAFETY: a zero-terminated array that the kernel keeps for the life of the process.
        unsafe { strings(self.argv) }.skip(1)
    }

    /// The environment, each entry `NAME=value`.
    pub(crate) fn environment(&self) -> impl Iterator<Item = &'static CStr> + Clone + use<> {
        // SAFETY: as above.
        unsafe { strings(self.envp) }
    }
}

/// # Safety
///
/// `at` leads to pointers to strings, the last one null; all of them stay.
unsafe fn strings(mut at: Strings) -> impl Iterator<Item = &'static CStr> + Clone {
    core::iter::from_fn(move || {
        // SAFETY: the null pointer has not been passed, see below.
        let text = NonNull::new(unsafe { *at }.cast_mut())?;
        // SAFETY: this entry was not the last.
        at = unsafe { at.add(1) };
        // SAFETY: the caller vouches for a string.
        Some(unsafe { CStr::from_ptr(text.as_ptr()) })
    })
}

/// A zero-terminated array of strings, as `execve` wants them. Never given back: made once.
#[derive(Debug)]
pub(crate) struct StringList<'a> {
    list: Strings,
    texts: PhantomData<&'a CStr>,
}

impl<'a> StringList<'a> {
    /// # Errors
    ///
    /// The kernel has no memory.
    pub(crate) fn new(texts: impl Iterator<Item = &'a CStr> + Clone) -> Result<Self, Errno> {
        let count = texts.clone().count();
        let bytes = (count + 1) * size_of::<*const c_char>();
        // SAFETY: a fresh mapping, at an address of the kernel's choice.
        let mapped = unsafe {
            mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?
        };
        let list = mapped.cast::<*const c_char>();
        for (at, text) in texts.take(count).enumerate() {
            // SAFETY: `at` is below `count`; the entry behind the last is zero already.
            unsafe { list.add(at).write(text.as_ptr()) };
        }
        Ok(Self { list, texts: PhantomData })
    }

    pub(crate) fn as_ptr(&self) -> Strings {
        self.list
    }
}
