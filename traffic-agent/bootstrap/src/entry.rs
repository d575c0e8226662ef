//! From the kernel's first jump to `bootstrap::run`, and what happens on a panic.

#![allow(unsafe_code, reason = "the entry point is reached with a bare stack and no runtime")]

use core::arch::naked_asm;
use core::panic::PanicInfo;

use bootstrap::{FAILED, Start, exit, run};

/// The first instruction: the stack pointer leads to argc, argv and envp.
///
/// # Safety
///
/// For the kernel alone.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {begin}", "ud2", begin = sym begin)
}

/// The first instruction: the stack pointer leads to argc, argv and envp.
///
/// # Safety
///
/// For the kernel alone.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov x29, xzr", "mov x30, xzr", "mov x0, sp", "bl {begin}", "brk #1", begin = sym begin)
}

extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: `_start` hands on the stack pointer as the kernel set it.
    let start = unsafe { Start::from_stack(stack) };
    exit(run(&start))
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    bootstrap::report(format_args!("defect: {info}"));
    exit(FAILED)
}
