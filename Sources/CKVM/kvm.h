// linux/kvm.h, for Swift: the ioctl numbers, which are macros over expressions that the importer does not evaluate, and
// accessors for the members of anonymous unions. No logic.
#pragma once

#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <stdint.h>
#include <string.h>

static const unsigned long kvm_get_api_version = KVM_GET_API_VERSION;
static const unsigned long kvm_create_vm = KVM_CREATE_VM;
static const unsigned long kvm_check_extension = KVM_CHECK_EXTENSION;
static const unsigned long kvm_get_vcpu_mmap_size = KVM_GET_VCPU_MMAP_SIZE;
static const unsigned long kvm_get_supported_cpuid = KVM_GET_SUPPORTED_CPUID;
static const unsigned long kvm_set_user_memory_region = KVM_SET_USER_MEMORY_REGION;
static const unsigned long kvm_enable_capability = KVM_ENABLE_CAP;
static const unsigned long kvm_create_vcpu = KVM_CREATE_VCPU;
static const unsigned long kvm_get_clock = KVM_GET_CLOCK;
static const unsigned long kvm_run_vcpu = KVM_RUN;
static const unsigned long kvm_get_registers = KVM_GET_REGS;
static const unsigned long kvm_set_registers = KVM_SET_REGS;
static const unsigned long kvm_get_special_registers = KVM_GET_SREGS;
static const unsigned long kvm_set_special_registers = KVM_SET_SREGS;
static const unsigned long kvm_set_extended_control_registers = KVM_SET_XCRS;
static const unsigned long kvm_set_msrs = KVM_SET_MSRS;
static const unsigned long kvm_set_cpuid2 = KVM_SET_CPUID2;
static const unsigned long kvm_get_lapic = KVM_GET_LAPIC;
static const unsigned long kvm_set_lapic = KVM_SET_LAPIC;
static const unsigned long kvm_get_tsc_khz = KVM_GET_TSC_KHZ;
static const unsigned long kvm_get_device_attr = KVM_GET_DEVICE_ATTR;
static const unsigned long kvm_signal_msi = KVM_SIGNAL_MSI;
static const unsigned long kvm_ioeventfd_register = KVM_IOEVENTFD;
static const unsigned long kvm_create_irqchip = KVM_CREATE_IRQCHIP;
static const unsigned long kvm_create_pit2 = KVM_CREATE_PIT2;
static const unsigned long kvm_set_tss_address = KVM_SET_TSS_ADDR;
static const unsigned long kvm_irq_line = KVM_IRQ_LINE;

// struct kvm_run is a header with a union behind it.
static inline uint8_t *kvm_run_immediate_exit(struct kvm_run *run) { return &run->immediate_exit; }
static inline uint64_t kvm_run_mmio_address(const struct kvm_run *run) { return run->mmio.phys_addr; }
static inline uint32_t kvm_run_mmio_length(const struct kvm_run *run) { return run->mmio.len; }
static inline uint8_t kvm_run_mmio_is_write(const struct kvm_run *run) { return run->mmio.is_write; }
static inline uint64_t kvm_run_mmio_data(const struct kvm_run *run) {
  uint64_t data;
  memcpy(&data, run->mmio.data, sizeof data);
  return data;
}
static inline void kvm_run_set_mmio_data(struct kvm_run *run, uint64_t data) {
  memcpy(run->mmio.data, &data, sizeof data);
}
static inline uint16_t kvm_run_port(const struct kvm_run *run) { return run->io.port; }
static inline uint8_t kvm_run_port_is_write(const struct kvm_run *run) { return run->io.direction == KVM_EXIT_IO_OUT; }
static inline uint8_t kvm_run_port_width(const struct kvm_run *run) { return run->io.size; }
static inline uint32_t kvm_run_port_count(const struct kvm_run *run) { return run->io.count; }
static inline uint64_t kvm_run_port_data_offset(const struct kvm_run *run) { return run->io.data_offset; }
static inline uint32_t kvm_run_internal_suberror(const struct kvm_run *run) { return run->internal.suberror; }
static inline uint64_t kvm_run_entry_failure(const struct kvm_run *run) {
  return run->fail_entry.hardware_entry_failure_reason;
}

// struct kvm_cpuid2 ends in a flexible array.
static inline struct kvm_cpuid_entry2 *cpuid_table_entries(struct kvm_cpuid2 *table) { return table->entries; }

// struct kvm_msrs ends in a flexible array; this one has room for one.
struct msr_list {
  struct kvm_msrs header;
  struct kvm_msr_entry entry;
};

// The flags of struct kvm_ioeventfd are shifts of an enumeration's members.
static const uint32_t kvm_ioeventfd_datamatch = KVM_IOEVENTFD_FLAG_DATAMATCH;

// The interrupt's number is in an anonymous union of struct kvm_irq_level.
static inline struct kvm_irq_level kvm_interrupt_level(uint32_t line, uint32_t level) {
  return (struct kvm_irq_level){.irq = line, .level = level};
}

enum { lapic_state_size = sizeof(struct kvm_lapic_state) };

static inline struct kvm_enable_cap kvm_capability_with_argument(uint32_t capability, uint64_t argument) {
  return (struct kvm_enable_cap){.cap = capability, .args = {argument}};
}
