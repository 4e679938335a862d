import CKVM
import CLinux
import KVM

/// Whether this host can run guests, and on what.
public enum HostCheck {
  /// One thing found out.
  public struct Finding: Equatable, Sendable {
    /// False if it keeps guests from running.
    public let isGood: Bool
    /// One line.
    public let text: String
  }

  /// Capabilities without which a machine cannot be made (KVM API, 4.4), with what they are for.
  private static let required: [(number: Int32, name: StaticString, use: StaticString)] = [
    (KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "guest memory"),
    (KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM", "text that not even ring 0 can write"),
    (KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP", "a local APIC without legacy controllers"),
    (KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER", "sleeping"),
    (KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "stopping without a race"),
    (KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ", "the clock's frequency"),
    (KVM_CAP_XCRS, "KVM_CAP_XCRS", "AVX"),
  ]

  /// Everything found out, in the order in which it matters; the first obstacle ends the list.
  public static func findings() -> [Finding] {
    let path = KVMSystem.devicePath
    var status = stat()
    guard stat(path, &status) == 0 else {
      return [
        Finding(isGood: false, text: "\(path): \(String(cString: strerror(linux_errno()))); is the kvm module loaded?")
      ]
    }
    guard status.st_mode & UInt32(S_IFMT) == UInt32(S_IFCHR) else {
      return [Finding(isGood: false, text: "\(path) is not a character device")]
    }
    var findings = [Finding(isGood: true, text: "\(path) is there")]
    do throws(SystemCallError) {
      let system = try KVMSystem()
      findings.append(Finding(isGood: true, text: "permission to open it"))
      let version = try system.apiVersion()
      findings.append(
        Finding(isGood: version == KVM_API_VERSION, text: "API version \(version); expected \(KVM_API_VERSION)"))
      for capability in required {
        let isThere = try system.capability(capability.number) > 0
        findings.append(
          Finding(isGood: isThere, text: "\(capability.name): \(isThere ? "there" : "missing"), for \(capability.use)"))
      }
      _ = try system.createVirtualMachine()
      findings.append(Finding(isGood: true, text: "a virtual machine can be created"))
    } catch {
      let hint = error.code == EACCES ? "; is this user in the device's group (often 'kvm')?" : ""
      findings.append(Finding(isGood: false, text: error.description + hint))
    }
    findings.append(backEnd())
    return findings
  }

  /// Which of KVM's back ends runs the guests, by its module. None is not an obstacle: it may be built into the kernel.
  private static func backEnd() -> Finding {
    let names: [(module: String, name: StaticString)] = [
      ("kvm_intel", "vmx (Intel VT-x)"), ("kvm_amd", "svm (AMD-V)"),
      ("kvm_pvm", "pvm (no hardware virtualisation: ring 0 of a guest is emulated)"),
    ]
    for (module, name) in names where access("/sys/module/\(module)", F_OK) == 0 {
      return Finding(isGood: true, text: "back end: \(name)")
    }
    return Finding(isGood: true, text: "back end: unknown; no kvm_intel, kvm_amd or kvm_pvm under /sys/module")
  }
}
