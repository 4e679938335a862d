// The PVH door (Xen's "x86/HVM direct boot ABI"): from 32-bit protected mode to boot.c in 64-bit mode, under page
// tables that map the lowest 4 GiB to themselves. In assembly because no calling convention holds before that.
//
// A PVH loader puts the image where it was linked, below 4 GiB. The linker script gives the addresses of this code and
// of its data as absolute symbols, which 32-bit code can use without relocations.
//
// Empty in the hosted build, which nobody boots.
#if !__STDC_HOSTED__

#include "door.h"
#include "machine_abi.h"

// Intel SDM volume 3, 2.5: protection, FPU present and its errors by exception, ring 0 bound by read-only pages,
// paging.
#define CR0 0x80010033
// PAE, SSE with its exceptions; and XSAVE where there is one.
#define CR4 0x620
#define CR4_OSXSAVE_BIT 18
#define CPUID_XSAVE_BIT 26
#define CPUID_AVX_BIT 28
#define IA32_EFER 0xc0000080
// Long mode enabled, no-execute.
#define EFER 0x900
// Page table entries (Intel SDM volume 3, 4.5): present, writable, user; large page.
#define TABLE 0x7
#define LARGE_PAGE 0x87
// Selectors as docs/boot-contract.md has them, and one for the TSS.
#define KERNEL_CODE 0x08
#define TASK 0x20

  .section .pvh.text, "ax", @progbits
  .code32
  .globl pvh_start
pvh_start:
  cld
  mov $needletail_pvh_data, %esi
  mov $needletail_pvh_text, %ebp
  lea boot_stack_end - data_start(%esi), %esp

  // Page tables: the root, the table below it, four directories of large pages.
  lea directory_pointers - data_start + TABLE(%esi), %eax
  mov %eax, page_tables - data_start(%esi)
  lea directories - data_start + TABLE(%esi), %eax
  xor %ecx, %ecx
1:
  mov %eax, directory_pointers - data_start(%esi, %ecx, 8)
  add $0x1000, %eax
  inc %ecx
  cmp $4, %ecx
  jne 1b
  mov $LARGE_PAGE, %eax
  xor %ecx, %ecx
2:
  mov %eax, directories - data_start(%esi, %ecx, 8)
  add $0x200000, %eax
  inc %ecx
  cmp $2048, %ecx
  jne 2b

  mov $CR4, %eax
  mov %eax, %cr4
  lea page_tables - data_start(%esi), %eax
  mov %eax, %cr3
  mov $IA32_EFER, %ecx
  mov $EFER, %eax
  xor %edx, %edx
  wrmsr
  mov $CR0, %eax
  mov %eax, %cr0
  lea segments - pvh_start(%ebp), %eax
  push %eax
  pushw $segments_end - segments - 1
  lgdt (%esp)
  lea long_mode - pvh_start(%ebp), %eax
  push $KERNEL_CODE
  push %eax
  lret

  .code64
long_mode:
  // Start information in EBX; CPUID overwrites it.
  mov %ebx, %ebp
  lea pvh_state_page(%rip), %rbx

  // The tables' final place, where the TSS is described by its address (Intel SDM volume 3, figure 8-4).
  lea segments(%rip), %rsi
  lea PVH_STATE_SEGMENTS(%rbx), %rdi
  mov $(segments_end - segments) / 8, %ecx
  rep movsq
  lea PVH_STATE_TASK(%rbx), %rax
  mov %ax, PVH_STATE_SEGMENTS + TASK + 2(%rbx)
  shr $16, %eax
  mov %al, PVH_STATE_SEGMENTS + TASK + 4(%rbx)
  mov %ah, PVH_STATE_SEGMENTS + TASK + 7(%rbx)
  // No I/O permission bitmap (8.7).
  movw $0x68, PVH_STATE_TASK + 102(%rbx)
  mov %rbx, PVH_STATE_TASK + 4(%rbx)
  addq $PVH_STATE_STACK_TOP, PVH_STATE_TASK + 4(%rbx)
  mov %rbx, %rsp
  add $PVH_STATE_STACK_TOP, %rsp
  lea PVH_STATE_SEGMENTS(%rbx), %rax
  push %rax
  pushw $segments_end - segments - 1
  lgdt (%rsp)
  mov $TASK, %eax
  ltr %ax

  // Interrupt gates to ring 0 (figure 6-8); only the breakpoint's may be called from ring 3. All is below 4 GiB.
  lea pvh_trap_table(%rip), %rax
  lea PVH_STATE_GATES(%rbx), %rdi
  mov $NEEDLETAIL_TRAP_STUB_COUNT, %ecx
3:
  mov %ax, (%rdi)
  movw $KERNEL_CODE, 2(%rdi)
  mov %eax, 4(%rdi)
  movw $0x8e00, 4(%rdi)
  add $PVH_TRAP_STUB_SIZE, %rax
  add $16, %rdi
  dec %ecx
  cmp $NEEDLETAIL_TRAP_STUB_COUNT - PVH_TRAP_STUBS_BEFORE, %ecx
  jne 4f
  add $2 * PVH_TRAP_STUB_SIZE, %rax
4:
  test %ecx, %ecx
  jnz 3b
  orb $0x60, PVH_STATE_GATES + 3 * 16 + 5(%rbx)
  lea PVH_STATE_GATES(%rbx), %rax
  push %rax
  pushw $NEEDLETAIL_TRAP_STUB_COUNT * 16 - 1
  lidt (%rsp)

  // x87 and SSE as the contract has them; and all vector state that the processor has, up to AVX.
  fninit
  mov $1, %eax
  cpuid
  bt $CPUID_XSAVE_BIT, %ecx
  jnc 5f
  mov %cr4, %rax
  bts $CR4_OSXSAVE_BIT, %rax
  mov %rax, %cr4
  // x87 and SSE, always, and AVX.
  mov $3, %eax
  mov $7, %edx
  bt $CPUID_AVX_BIT, %ecx
  cmovc %edx, %eax
  xor %ecx, %ecx
  xor %edx, %edx
  xsetbv
5:
  // On, in C, on the larger stack, to which there is no end of the chain of frames.
  mov %ebp, %edi
  xor %ebp, %ebp
  lea boot_stack_end(%rip), %rsp
  call pvh_boot

  // Intel SDM volume 3, 3.4.5: ring-0 code, ring-3 data and code, all flat; then a TSS of 104 bytes, not busy.
  .balign 8
segments:
  .quad 0, 0x00209b000000ffff, 0x00cff3000000ffff, 0x0020fb000000ffff
  .quad 0x0000890000000067, 0
segments_end:

  .section .pvh.data, "aw", @nobits
  .balign 4096
data_start:
  // The application's page tables leave these out.
page_tables:
  .skip 4096
directory_pointers:
  .skip 4096
directories:
  .skip 4 * 4096
  // Not mapped either, so that a stack that overflows meets a fault.
  .skip 4096
  .globl pvh_data_start
pvh_data_start:
  .skip 16384
  .globl boot_stack_end
boot_stack_end:
  .globl pvh_state_page
pvh_state_page:
  .skip 4096

#endif
  .section .note.GNU-stack, "", @progbits
