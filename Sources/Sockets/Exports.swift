// What a program with sockets needs besides: the machine, and the addresses that sockets are made of.
@_exported import GuestKernel
@_exported import Network
