// virtio 1.2 as both halves use it: the monitor's devices and the guest's drivers. Names and values are those of the
// OASIS specification "Virtual I/O Device (VIRTIO) Version 1.2"; the section is beside each group.
#pragma once

#include <stdint.h>

// MARK: Device IDs (section 5)
#define VIRTIO_ID_NETWORK 1
#define VIRTIO_ID_BLOCK 2
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_ID_ENTROPY 4

// MARK: Device status (section 2.1)
#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER 2
#define VIRTIO_STATUS_DRIVER_OK 4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_DEVICE_NEEDS_RESET 64
#define VIRTIO_STATUS_FAILED 128

// MARK: Feature bits of every device, as bit numbers (section 6)
#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_EVENT_IDX 29
#define VIRTIO_F_VERSION_1 32

// MARK: MMIO device register layout (section 4.2.2, table 4.1)
#define VIRTIO_MMIO_MAGIC_VALUE 0x000
#define VIRTIO_MMIO_VERSION 0x004
#define VIRTIO_MMIO_DEVICE_ID 0x008
#define VIRTIO_MMIO_VENDOR_ID 0x00c
#define VIRTIO_MMIO_DEVICE_FEATURES 0x010
#define VIRTIO_MMIO_DEVICE_FEATURES_SEL 0x014
#define VIRTIO_MMIO_DRIVER_FEATURES 0x020
#define VIRTIO_MMIO_DRIVER_FEATURES_SEL 0x024
#define VIRTIO_MMIO_QUEUE_SEL 0x030
#define VIRTIO_MMIO_QUEUE_NUM_MAX 0x034
#define VIRTIO_MMIO_QUEUE_NUM 0x038
#define VIRTIO_MMIO_QUEUE_READY 0x044
#define VIRTIO_MMIO_QUEUE_NOTIFY 0x050
#define VIRTIO_MMIO_INTERRUPT_STATUS 0x060
#define VIRTIO_MMIO_INTERRUPT_ACK 0x064
#define VIRTIO_MMIO_STATUS 0x070
#define VIRTIO_MMIO_QUEUE_DESC_LOW 0x080
#define VIRTIO_MMIO_QUEUE_DESC_HIGH 0x084
#define VIRTIO_MMIO_QUEUE_DRIVER_LOW 0x090
#define VIRTIO_MMIO_QUEUE_DRIVER_HIGH 0x094
#define VIRTIO_MMIO_QUEUE_DEVICE_LOW 0x0a0
#define VIRTIO_MMIO_QUEUE_DEVICE_HIGH 0x0a4
#define VIRTIO_MMIO_SHM_SEL 0x0ac
#define VIRTIO_MMIO_SHM_LEN_LOW 0x0b0
#define VIRTIO_MMIO_SHM_LEN_HIGH 0x0b4
#define VIRTIO_MMIO_SHM_BASE_LOW 0x0b8
#define VIRTIO_MMIO_SHM_BASE_HIGH 0x0bc
#define VIRTIO_MMIO_CONFIG_GENERATION 0x0fc
#define VIRTIO_MMIO_CONFIG 0x100
#define VIRTIO_MMIO_MAGIC 0x74726976  // "virt"
#define VIRTIO_MMIO_VERSION_2 2
// InterruptStatus and InterruptACK
#define VIRTIO_MMIO_INTERRUPT_USED_BUFFER 1
#define VIRTIO_MMIO_INTERRUPT_CONFIGURATION 2

// MARK: Split virtqueues (section 2.7)
#define VIRTQ_DESC_F_NEXT 1
#define VIRTQ_DESC_F_WRITE 2
#define VIRTQ_DESC_F_INDIRECT 4
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1
#define VIRTQ_USED_F_NO_NOTIFY 1
// A virtqueue has at most this many descriptors.
#define VIRTQ_MAX_SIZE 32768

struct virtq_desc {
  uint64_t addr;
  uint32_t len;
  uint16_t flags;
  uint16_t next;
};
struct virtq_used_elem {
  uint32_t id;
  uint32_t len;
};
// The driver area: flags, idx, ring[size], used_event. The device area: flags, idx, ring[size], avail_event.
#define VIRTQ_RING_FLAGS 0
#define VIRTQ_RING_INDEX 2
#define VIRTQ_RING_ENTRIES 4
// Alignments of the three parts.
#define VIRTQ_DESC_ALIGNMENT 16
#define VIRTQ_AVAIL_ALIGNMENT 2
#define VIRTQ_USED_ALIGNMENT 4

// MARK: Block device (section 5.2)
#define VIRTIO_BLK_F_SIZE_MAX 1
#define VIRTIO_BLK_F_SEG_MAX 2
#define VIRTIO_BLK_F_RO 5
#define VIRTIO_BLK_F_BLK_SIZE 6
#define VIRTIO_BLK_F_FLUSH 9
#define VIRTIO_BLK_F_TOPOLOGY 10
#define VIRTIO_BLK_F_DISCARD 13
#define VIRTIO_BLK_F_WRITE_ZEROES 14
#define VIRTIO_BLK_T_IN 0
#define VIRTIO_BLK_T_OUT 1
#define VIRTIO_BLK_T_FLUSH 4
#define VIRTIO_BLK_T_GET_ID 8
#define VIRTIO_BLK_T_DISCARD 11
#define VIRTIO_BLK_T_WRITE_ZEROES 13
#define VIRTIO_BLK_S_OK 0
#define VIRTIO_BLK_S_IOERR 1
#define VIRTIO_BLK_S_UNSUPP 2
#define VIRTIO_BLK_ID_BYTES 20
#define VIRTIO_BLK_SECTOR_SIZE 512
#define VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP 1

// The head of every block request; the data, then the status byte, follow as further buffers.
struct virtio_blk_req {
  uint32_t type;
  uint32_t reserved;
  uint64_t sector;
};
struct virtio_blk_discard_write_zeroes {
  uint64_t sector;
  uint32_t num_sectors;
  uint32_t flags;
};
struct virtio_blk_config {
  uint64_t capacity;  // in sectors of 512 bytes
  uint32_t size_max;
  uint32_t seg_max;
  uint16_t cylinders;
  uint8_t heads;
  uint8_t sectors;
  uint32_t blk_size;
  uint8_t physical_block_exp;
  uint8_t alignment_offset;
  uint16_t min_io_size;
  uint32_t opt_io_size;
  uint8_t writeback;
  uint8_t unused0;
  uint16_t num_queues;
  uint32_t max_discard_sectors;
  uint32_t max_discard_seg;
  uint32_t discard_sector_alignment;
  uint32_t max_write_zeroes_sectors;
  uint32_t max_write_zeroes_seg;
  uint8_t write_zeroes_may_unmap;
  uint8_t unused1[3];
};

// MARK: Console device (section 5.3); one port: queue 0 to the guest, queue 1 from it
#define VIRTIO_CONSOLE_F_SIZE 0
#define VIRTIO_CONSOLE_RECEIVE_QUEUE 0
#define VIRTIO_CONSOLE_TRANSMIT_QUEUE 1
struct virtio_console_config {
  uint16_t cols;
  uint16_t rows;
  uint32_t max_nr_ports;
  uint32_t emerg_wr;
};

// MARK: Network device (section 5.1); one queue pair
#define VIRTIO_NET_F_CSUM 0
#define VIRTIO_NET_F_GUEST_CSUM 1
#define VIRTIO_NET_F_MTU 3
#define VIRTIO_NET_F_MAC 5
#define VIRTIO_NET_F_GUEST_TSO4 7
#define VIRTIO_NET_F_GUEST_TSO6 8
#define VIRTIO_NET_F_HOST_TSO4 11
#define VIRTIO_NET_F_HOST_TSO6 12
#define VIRTIO_NET_F_MRG_RXBUF 15
#define VIRTIO_NET_F_STATUS 16
#define VIRTIO_NET_RECEIVE_QUEUE 0
#define VIRTIO_NET_TRANSMIT_QUEUE 1
#define VIRTIO_NET_S_LINK_UP 1
#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1
#define VIRTIO_NET_HDR_F_DATA_VALID 2
#define VIRTIO_NET_HDR_GSO_NONE 0
#define VIRTIO_NET_HDR_GSO_TCPV4 1
#define VIRTIO_NET_HDR_GSO_TCPV6 4
#define VIRTIO_NET_HDR_GSO_ECN 0x80

// Before every frame, in both directions. The last field is there with VIRTIO_F_VERSION_1 whatever else was agreed on.
struct virtio_net_hdr {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;
  uint16_t gso_size;
  uint16_t csum_start;
  uint16_t csum_offset;
  uint16_t num_buffers;
};
struct virtio_net_config {
  uint8_t mac[6];
  uint16_t status;
  uint16_t max_virtqueue_pairs;
  uint16_t mtu;
};

// MARK: Access to memory that the other side changes meanwhile: each is one load or one store.
static inline uint16_t virtq_load_acquire16(const void *address) {
  return __atomic_load_n((const uint16_t *)address, __ATOMIC_ACQUIRE);
}
static inline uint16_t virtq_load16(const void *address) {
  return __atomic_load_n((const uint16_t *)address, __ATOMIC_RELAXED);
}
static inline uint32_t virtq_load32(const void *address) {
  return __atomic_load_n((const uint32_t *)address, __ATOMIC_RELAXED);
}
static inline void virtq_store16(void *address, uint16_t value) {
  __atomic_store_n((uint16_t *)address, value, __ATOMIC_RELAXED);
}
static inline void virtq_store32(void *address, uint32_t value) {
  __atomic_store_n((uint32_t *)address, value, __ATOMIC_RELAXED);
}
static inline void virtq_store_release16(void *address, uint16_t value) {
  __atomic_store_n((uint16_t *)address, value, __ATOMIC_RELEASE);
}
typedef uint64_t virtq_unaligned64 __attribute__((aligned(1)));
// One read of a descriptor, which may lie at any address when it is in an indirect table (section 2.7.5.3).
static inline struct virtq_desc virtq_load_descriptor(const void *address) {
  const volatile virtq_unaligned64 *halves = (const volatile virtq_unaligned64 *)address;
  uint64_t buffer = halves[0], rest = halves[1];
  return (struct virtq_desc){buffer, (uint32_t)rest, (uint16_t)(rest >> 32), (uint16_t)(rest >> 48)};
}
// Reads a block request's head once; it has no alignment.
static inline struct virtio_blk_req virtio_blk_load_req(const void *address) {
  const volatile virtq_unaligned64 *halves = (const volatile virtq_unaligned64 *)address;
  uint64_t type = halves[0], sector = halves[1];
  return (struct virtio_blk_req){(uint32_t)type, (uint32_t)(type >> 32), sector};
}
// In a loop that waits for another processor (Intel SDM vol. 2, PAUSE).
static inline void virtq_pause(void) { __builtin_ia32_pause(); }
// Between publishing an index and reading the other side's wish to be told (section 2.7.13.4.1, 2.7.10): a store before a load.
static inline void virtq_full_barrier(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

_Static_assert(sizeof(struct virtq_desc) == 16 && sizeof(struct virtq_used_elem) == 8, "section 2.7");
_Static_assert(sizeof(struct virtio_blk_req) == 16, "section 5.2.6");
_Static_assert(sizeof(struct virtio_blk_discard_write_zeroes) == 16, "section 5.2.6");
_Static_assert(sizeof(struct virtio_net_hdr) == 12 && sizeof(struct virtio_net_config) == 12, "section 5.1.4, 5.1.6");
_Static_assert(sizeof(struct virtio_blk_config) == 60 + 4, "section 5.2.4, padded to its alignment");
