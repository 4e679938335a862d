// What runs in ring 0 behind the PVH door: the stubs of the boot contract's sections 8 and 9, for a machine without a
// monitor. They do themselves what a monitor does at the control page. In assembly because they run on the processor's
// interrupt frame, before any calling convention holds. docs/pvh.md, "Ring 0".
//
// Empty in the hosted build, which nobody boots.
#if !__STDC_HOSTED__

#include "door.h"
#include "machine_abi.h"

#define GENERAL_PROTECTION 13  // Intel SDM volume 3, 6.15, #GP and #PF
#define PAGE_FAULT 14
#define FIRST_INTERRUPT NEEDLETAIL_FIRST_INTERRUPT_VECTOR
#define HLT_OPCODE 0xf4
// `mov %eax, (%rdi)` and `mov (%rdi), %eax`: how CGuestKernel.h accesses the control page, and nothing else.
#define CONTROL_STORE 0x0789
#define CONTROL_LOAD 0x078b
#define CONTROL_INSTRUCTION_SIZE 2
// Page-fault error codes (Intel SDM volume 3, figure 4-12): in ring 3; a present page, a write, reserved bits, a fetch.
#define FAULT_USER 4
#define FAULT_WRITE 2
// Offsets in the local APIC (table 11-1).
#define END_OF_INTERRUPT 0xb0
#define TIMER_INITIAL_COUNT 0x380
#define IA32_FS_BASE 0xc0000100
// The keyboard controller's command port, and "pulse the reset line" (IBM PC AT technical reference).
#define KEYBOARD_PORT 0x64
#define KEYBOARD_RESET 0xfe
#define USER_DATA 0x13
#define USER_CODE 0x1b
// IF, and the bit that is always set.
#define FLAGS 0x202
#define PANIC_STATUS 134
// In struct needletail_shared_page.
#define CONSOLE_LENGTH 32

#define state(field) pvh_state_page + field(%rip)

  .section .pvh.text, "ax", @progbits
  // Four bytes for each vector; in their midst is what all reach with a short jump, in the place of two of them.
  .globl pvh_trap_table
pvh_trap_table:
  .set vector, 0
  .rept PVH_TRAP_STUBS_BEFORE
  push $vector
  jmp 1f
  .set vector, vector + 1
  .endr
1:
  jmp trap
  .skip 2 * PVH_TRAP_STUB_SIZE - (. - 1b)
  .rept NEEDLETAIL_TRAP_STUB_COUNT - PVH_TRAP_STUBS_BEFORE
  push $vector
  jmp 1b
  .set vector, vector + 1
  .endr

trap:
  cmpb $FIRST_INTERRUPT, (%rsp)
  jae interrupt
  cmpb $PAGE_FAULT, (%rsp)
  je page_fault
  cmpb $GENERAL_PROTECTION, (%rsp)
  je general_protection
  // Every exception shall have an error code.
  push %rax
  mov 8(%rsp), %rax
  bt %eax, vectors_with_error_code(%rip)
  pop %rax
  jc exception
  pushq (%rsp)
  movq $0, 8(%rsp)
  jmp exception

  // #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX (Intel SDM volume 3, table 6-1; AMD volume 2, 8.2).
vectors_with_error_code:
  .long 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30

  // MARK: Interrupts

interrupt:
  push %rax
  push %rcx
  mov 16(%rsp), %rcx
  sub $FIRST_INTERRUPT, %ecx
  incq needletail_interrupt_count(%rip)
  cmp $PVH_SPURIOUS_LINE, %ecx
  je 2f  // no end of interrupt (Intel SDM volume 3, 11.9)
  lea state(PVH_LINES), %rax
  testl $PVH_REDIRECTION_LEVEL, 4(%rax, %rcx, 8)
  jz 1f
  // A level stays until the driver has seen to it, which it will do in ring 3: until the next idle call, hear no more
  // of it.
  bts %ecx, state(PVH_MASKED_LINES)
  push %rdx
  mov 4(%rax, %rcx, 8), %edx
  or $PVH_REDIRECTION_MASKED, %edx
  mov (%rax, %rcx, 8), %ecx
  mov $PVH_IO_APIC, %eax
  mov %ecx, (%rax)
  mov %edx, PVH_IO_APIC_WINDOW(%rax)
  pop %rdx
1:
  mov $PVH_LOCAL_APIC, %eax
  movl $0, END_OF_INTERRUPT(%rax)
2:
  // Saved CS is 32 bytes up. Never return to the idle call's HLT; docs/boot-contract.md, section 9.
  testb $3, 32(%rsp)
  jnz 3f
  lea idle_done(%rip), %rax
  mov %rax, 24(%rsp)
3:
  pop %rcx
  pop %rax
  add $8, %rsp
  iretq

  // MARK: #GP: the idle call, or a fault

general_protection:
  testb $3, 24(%rsp)  // vector, error code, RIP, CS
  jz exception
  push %rcx
  mov 24(%rsp), %rcx
  cmpb $HLT_OPCODE, (%rcx)
  je idle
  pop %rcx
  jmp exception

  // RAX = TSC deadline or 0, RDX = the interrupt count last seen. RCX, vector and error code are on the stack.
idle:
  incq 24(%rsp)
  pop %rcx
  mov %rcx, 8(%rsp)  // in the error code's place
  add $8, %rsp
  cmp %rdx, needletail_interrupt_count(%rip)
  jne idle_done
  push %rax
  push %rdx
  test %rax, %rax
  jz 1f
  call set_timer
1:
  // Lines that have interrupted may do so again; those whose level is still there do at once.
  mov state(PVH_MASKED_LINES), %ecx
  test %ecx, %ecx
  jz 3f
  push %rsi
  lea state(PVH_LINES), %rsi
2:
  bsf %ecx, %eax
  btr %eax, %ecx
  mov 4(%rsi, %rax, 8), %edx
  mov (%rsi, %rax, 8), %eax
  push %rcx
  mov $PVH_IO_APIC, %ecx
  mov %eax, (%rcx)
  mov %edx, PVH_IO_APIC_WINDOW(%rcx)
  pop %rcx
  test %ecx, %ecx
  jnz 2b
  mov %ecx, state(PVH_MASKED_LINES)
  pop %rsi
3:
  pop %rdx
  pop %rax
  sti
  hlt
idle_done:
  cli
  pop %rcx
  iretq

  // Has the local APIC's timer interrupt when the time-stamp counter reaches RAX. Uses RAX, RCX and RDX.
set_timer:
  mov %rax, %rcx
  rdtsc
  shl $32, %rdx
  or %rdx, %rax
  sub %rax, %rcx
  jbe 1f
  mov %rcx, %rax
  mulq state(PVH_TIMER_RATIO)
  shrd $32, %rdx, %rax
  shr $32, %rdx
  jnz 2f
  mov %rax, %rcx
  shr $32, %rcx
  jnz 2f
  inc %eax  // what the division cut off
  jnz 3f
2:
  mov $-1, %eax
  jmp 3f
1:
  mov $1, %eax
3:
  mov $PVH_LOCAL_APIC, %ecx
  mov %eax, TIMER_INITIAL_COUNT(%rcx)
  ret

  // MARK: #PF: the control page, or a fault

page_fault:
  push %rax
  push %rcx
  push %rdx
  mov %cr2, %rcx
  lea needletail_control_page(%rip), %rdx
  sub %rdx, %rcx
  cmp $NEEDLETAIL_CONTROL_INPUT, %rcx
  ja 1f
  mov 40(%rsp), %rdx  // RIP, above vector and error code
  cmpl $FAULT_USER | FAULT_WRITE, 32(%rsp)
  je control_store
  cmpl $FAULT_USER, 32(%rsp)
  jne 1f
  cmp $NEEDLETAIL_CONTROL_INPUT, %ecx
  jne 1f
  cmpw $CONTROL_LOAD, (%rdx)
  je serial_load
1:
  pop %rdx
  pop %rcx
  pop %rax
  jmp exception

control_store:
  cmpw $CONTROL_STORE, (%rdx)
  jne 1b
  cmp $NEEDLETAIL_CONTROL_CONSOLE, %ecx
  je 2f
  cmp $NEEDLETAIL_CONTROL_EXIT, %ecx
  jne 1b
  call drain_console
  mov 16(%rsp), %edi  // what was in EAX
  jmp pvh_end
2:
  call drain_console
control_done:
  pop %rdx
  pop %rcx
  pop %rax
  add $16, %rsp
  addq $CONTROL_INSTRUCTION_SIZE, (%rsp)
  iretq

  // A byte that has arrived, or -1.
serial_load:
  mov $PVH_SERIAL_LINE_STATUS, %edx
  in %dx, %al
  mov $NEEDLETAIL_NO_INPUT, %ecx
  test $PVH_SERIAL_DATA_READY, %al
  jz 3f
  mov $PVH_SERIAL_PORT, %edx
  in %dx, %al
  movzbl %al, %ecx
3:
  mov %rcx, 16(%rsp)
  jmp control_done

  // Sends the console buffer, whose length is the application's word. Uses RAX, RCX and RDX.
drain_console:
  cld
  push %rsi
  mov state(PVH_SHARED_PAGE), %rsi
  mov CONSOLE_LENGTH(%rsi), %ecx
  movl $0, CONSOLE_LENGTH(%rsi)
  mov $NEEDLETAIL_CONSOLE_BUFFER_SIZE, %eax
  cmp %eax, %ecx
  cmova %eax, %ecx
  add $NEEDLETAIL_CONSOLE_BUFFER_OFFSET, %rsi
  jrcxz 3f
1:
  mov $PVH_SERIAL_LINE_STATUS, %edx
2:
  in %dx, %al
  test $PVH_SERIAL_CAN_SEND, %al
  jz 2b
  lodsb
  mov $PVH_SERIAL_PORT, %edx
  out %al, %dx
  dec %ecx
  jnz 1b
3:
  pop %rsi
  ret

  // MARK: Exceptions

  // The processor's frame, the error code and the vector are on the stack. report.c tells what happened.
exception:
  push %rax
  push %rbx
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %rbp
  push %r8
  push %r9
  push %r10
  push %r11
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, %rdi
  mov %cr2, %rsi
  mov state(PVH_PHASE), %edx
  cmp $PVH_PHASE_REPORTING, %edx
  je failed
  movl $PVH_PHASE_REPORTING, state(PVH_PHASE)
  cld
  // On the larger stack; what is on it, if the door itself failed, is of no more use.
  lea boot_stack_end(%rip), %rsp
  xor %ebp, %ebp
  call pvh_report

failed:
  mov $PANIC_STATUS, %edi

  // MARK: The end

  // DIL is the exit status. QEMU's isa-debug-exit ends it with 2 × status + 1; else the machine is reset, one way or
  // the other.
  .globl pvh_stop
pvh_stop:
  mov state(PVH_EXIT_PORT), %edx
  mov %edi, %eax
  test %edx, %edx
  jz 1f
  out %al, %dx
1:
  mov $KEYBOARD_RESET, %al
  out %al, $KEYBOARD_PORT
  // No gates: the next exception is a triple fault.
  pushq $0
  pushq $0
  lidt (%rsp)
  ud2

  .globl pvh_enter
pvh_enter:
  // RDI = struct pvh_entry: page tables, entry, stack, boot information, thread control block.
  movl $PVH_PHASE_RUNNING, state(PVH_PHASE)
  mov 32(%rdi), %rdx
  mov %edx, %eax
  shr $32, %rdx
  mov $IA32_FS_BASE, %ecx
  wrmsr
  mov 8(%rdi), %rax
  mov 16(%rdi), %rcx
  mov (%rdi), %rdx
  mov 24(%rdi), %rdi
  mov %rdx, %cr3
  lea pvh_state_page + PVH_STATE_STACK_TOP(%rip), %rsp
  push $USER_DATA
  push %rcx
  push $FLAGS
  push $USER_CODE
  push %rax
  xor %eax, %eax
  xor %ebx, %ebx
  xor %ecx, %ecx
  xor %edx, %edx
  xor %esi, %esi
  xor %ebp, %ebp
  xor %r8d, %r8d
  xor %r9d, %r9d
  xor %r10d, %r10d
  xor %r11d, %r11d
  xor %r12d, %r12d
  xor %r13d, %r13d
  xor %r14d, %r14d
  xor %r15d, %r15d
  iretq

#endif
  .section .note.GNU-stack, "", @progbits
