// The only code of an image that runs in ring 0: one stub for each vector, and the idle call. In assembly because it runs
// on the processor's interrupt frame, before any calling convention holds. docs/boot-contract.md, "Traps" and "Idle".
//
// Empty in the hosted build, where Linux handles the traps.
#if !__STDC_HOSTED__

#include "machine_abi.h"

#define GENERAL_PROTECTION 13  // Intel SDM volume 3, 6.15, #GP
#define IA32_TSC_DEADLINE 0x6e0
#define X2APIC_EOI 0x80b  // Intel SDM volume 3, table 11-6

  .section .trap, "ax", @progbits
  .balign NEEDLETAIL_TRAP_STUB_SIZE
  .globl needletail_trap_table
needletail_trap_table:
  .set vector, 0
  .rept NEEDLETAIL_TRAP_STUB_COUNT
  .balign NEEDLETAIL_TRAP_STUB_SIZE
  .if vector == GENERAL_PROTECTION
  cmp %r11, 8(%rsp)  // error code, RIP
  je idle
  jmp fault
  .elseif vector >= NEEDLETAIL_FIRST_INTERRUPT_VECTOR
  testb $3, 8(%rsp)  // RIP, CS
  jz interrupt_in_idle
  jmp interrupt_in_ring_3
  .else
  // The monitor finds the registers as they were and the processor's frame at RSP; it does not come back.
  movl $vector, needletail_control_page + NEEDLETAIL_CONTROL_TRAP(%rip)
  ud2
  .endif
  .set vector, vector + 1
  .endr

  .macro take_interrupt
  incq needletail_interrupt_count(%rip)
  mov $X2APIC_EOI, %ecx
  xor %eax, %eax
  xor %edx, %edx
  wrmsr
  .endm

  .balign 16
interrupt_in_ring_3:
  push %rax
  push %rcx
  push %rdx
  take_interrupt
  pop %rdx
  pop %rcx
  pop %rax
  iretq

  // Ring 0 is interruptible only at the HLT below. Never return to it: some processors (and emulators) take the interrupt before
  // the HLT executes and would then sleep with the wake-up already spent. The idle call is over, and its caller expects
  // registers of no value.
interrupt_in_idle:
  take_interrupt
  mov 24(%rsp), %rsp  // RIP, CS, RFLAGS, RSP: where the frame of the idle call is
  iretq

  // A HLT in ring 3 raises #GP; with its own address in R11 it is the idle call: RAX = TSC deadline or 0, RDX = the interrupt
  // count last seen. Interrupt gate: IF is 0 from here to the STI. Every instruction here is paid for where ring 0 is
  // interpreted.
idle:
  testb $3, 16(%rsp)  // error code, RIP, CS
  jz fault
  add $8, %rsp  // the error code: what is left is a frame for IRET
  incq (%rsp)
  cmp %rdx, needletail_interrupt_count(%rip)
  jne 2f
  test %rax, %rax
  jz 1f
  mov %rax, %rdx
  shr $32, %rdx
  mov $IA32_TSC_DEADLINE, %ecx
  wrmsr
1:
  sti
  hlt
  cli
2:
  iretq

fault:
  movl $GENERAL_PROTECTION, needletail_control_page + NEEDLETAIL_CONTROL_TRAP(%rip)
  ud2

  .section .text.needletail_idle, "ax", @progbits
  .globl needletail_idle
  .type needletail_idle, @function
needletail_idle:
  mov %rdi, %rax
  mov %rsi, %rdx
  lea 1f(%rip), %r11
1:
  hlt
  ret
  .size needletail_idle, . - needletail_idle

  .section .bss.needletail_interrupt_count, "aw", @nobits
  .balign 8
  .globl needletail_interrupt_count
needletail_interrupt_count:
  .skip 8

#endif
  .section .note.GNU-stack, "", @progbits
