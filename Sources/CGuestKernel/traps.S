// The only code of an image that runs in ring 0: one stub for each vector, and the idle call. In assembly because it runs
// on the processor's interrupt frame, before any calling convention holds. docs/boot-contract.md, "Traps" and "Idle".
//
// Empty in the hosted build, where Linux handles the traps.
#if !__STDC_HOSTED__

#include "machine_abi.h"

#define GENERAL_PROTECTION 13  // Intel SDM volume 3, 6.15, #GP
#define HLT_OPCODE 0xf4
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
  jmp general_protection
  .elseif vector >= NEEDLETAIL_FIRST_INTERRUPT_VECTOR
  jmp interrupt
  .else
  // The monitor finds the registers as they were and the processor's frame at RSP; it does not come back.
  movl $vector, needletail_control_page + NEEDLETAIL_CONTROL_TRAP(%rip)
  ud2
  .endif
  .set vector, vector + 1
  .endr

  .balign 16
interrupt:
  push %rax
  push %rcx
  push %rdx
  incq needletail_interrupt_count(%rip)
  mov $X2APIC_EOI, %ecx
  xor %eax, %eax
  xor %edx, %edx
  wrmsr
  // Saved CS is 32 bytes up. Ring 0 is interruptible only at the HLT below: never return to it, because some processors
  // (and emulators) take the interrupt before the HLT executes and would then sleep with the wake-up already spent.
  testb $3, 32(%rsp)
  jnz 1f
  lea idle_done(%rip), %rax
  mov %rax, 24(%rsp)
1:
  pop %rdx
  pop %rcx
  pop %rax
  iretq

  // A HLT in ring 3 raises #GP; that is the idle call: RAX = TSC deadline or 0, RDX = the interrupt count last seen.
  // Interrupt gate: IF is 0 from here to the STI.
general_protection:
  testb $3, 16(%rsp)  // error code, RIP, CS
  jz fault
  push %rcx
  mov 16(%rsp), %rcx
  cmpb $HLT_OPCODE, (%rcx)
  pop %rcx
  jne fault
  add $8, %rsp  // the error code; idle_done returns over an IRET frame with RCX on top
  push %rcx
  incq 8(%rsp)
  cmp %rdx, needletail_interrupt_count(%rip)
  jne idle_done
  push %rdx
  test %rax, %rax
  jz 1f
  mov %rax, %rdx
  shr $32, %rdx
  mov $IA32_TSC_DEADLINE, %ecx
  wrmsr
1:
  pop %rdx
  sti
  hlt
idle_done:
  cli
  pop %rcx
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
