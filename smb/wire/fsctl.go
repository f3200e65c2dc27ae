package wire

// Control codes, the CtlCode of an IOCTL (MS-FSCC 2.3, MS-SMB2 2.2.31): those
// that a file server gets to see, carried out or not.
const (
	FsctlDfsGetReferrals   uint32 = 0x00060194
	FsctlDfsGetReferralsEx uint32 = 0x000601b0

	FsctlLockVolume                   uint32 = 0x00090018
	FsctlUnlockVolume                 uint32 = 0x0009001c
	FsctlDismountVolume               uint32 = 0x00090020
	FsctlIsVolumeMounted              uint32 = 0x00090028
	FsctlIsPathnameValid              uint32 = 0x0009002c
	FsctlMarkVolumeDirty              uint32 = 0x00090030
	FsctlGetCompression               uint32 = 0x0009003c
	FsctlSetCompression               uint32 = 0x0009c040
	FsctlQueryFatBpb                  uint32 = 0x00090058
	FsctlFilesystemGetStatistics      uint32 = 0x00090060
	FsctlGetNtfsVolumeData            uint32 = 0x00090064
	FsctlGetNtfsFileRecord            uint32 = 0x00090068
	FsctlGetVolumeBitmap              uint32 = 0x0009006f
	FsctlGetRetrievalPointers         uint32 = 0x00090073
	FsctlMoveFile                     uint32 = 0x00090074
	FsctlIsVolumeDirty                uint32 = 0x00090078
	FsctlAllowExtendedDasdIO          uint32 = 0x00090083
	FsctlFindFilesBySid               uint32 = 0x0009008f
	FsctlSetObjectID                  uint32 = 0x00090098
	FsctlGetObjectID                  uint32 = 0x0009009c
	FsctlDeleteObjectID               uint32 = 0x000900a0
	FsctlSetReparsePoint              uint32 = 0x000900a4
	FsctlGetReparsePoint              uint32 = 0x000900a8
	FsctlDeleteReparsePoint           uint32 = 0x000900ac
	FsctlSetObjectIDExtended          uint32 = 0x000900bc
	FsctlCreateOrGetObjectID          uint32 = 0x000900c0
	FsctlSetSparse                    uint32 = 0x000900c4
	FsctlSetZeroData                  uint32 = 0x000980c8
	FsctlQueryAllocatedRanges         uint32 = 0x000940cf
	FsctlSetEncryption                uint32 = 0x000900d7
	FsctlReadFileUsnData              uint32 = 0x000900eb
	FsctlWriteUsnCloseRecord          uint32 = 0x000900ef
	FsctlQueryUsnJournal              uint32 = 0x000900f4
	FsctlMarkHandle                   uint32 = 0x000900fc
	FsctlSisCopyfile                  uint32 = 0x00090100
	FsctlRecallFile                   uint32 = 0x00090117
	FsctlSetDefectManagement          uint32 = 0x00098134
	FsctlQuerySparingInfo             uint32 = 0x00090138
	FsctlQueryOnDiskVolumeInfo        uint32 = 0x0009013c
	FsctlSetZeroOnDeallocation        uint32 = 0x00090194
	FsctlSetShortNameBehavior         uint32 = 0x000901b4
	FsctlFileLevelTrim                uint32 = 0x00098208
	FsctlRequestOplock                uint32 = 0x00090240
	FsctlOffloadRead                  uint32 = 0x00094264
	FsctlOffloadWrite                 uint32 = 0x00098268
	FsctlGetIntegrityInformation      uint32 = 0x0009027c
	FsctlSetIntegrityInformation      uint32 = 0x0009c280
	FsctlQueryFileRegions             uint32 = 0x00090284
	FsctlGetRefsVolumeData            uint32 = 0x000902d8
	FsctlQuerySharedVirtualDisk       uint32 = 0x00090300
	FsctlSvhdxSyncTunnel              uint32 = 0x00090304
	FsctlDuplicateExtentsToFile       uint32 = 0x00098344
	FsctlStorageQosControl            uint32 = 0x00090350
	FsctlSvhdxAsyncTunnel             uint32 = 0x00090364
	FsctlSetIntegrityInformationEx    uint32 = 0x00090380
	FsctlGetRetrievalPointersRefcount uint32 = 0x000903d3
	FsctlDuplicateExtentsToFileEx     uint32 = 0x000983e8
	FsctlGetRetrievalPointerCount     uint32 = 0x0009042b
	FsctlRefsStreamSnapshot           uint32 = 0x00090440

	FsctlPipeDisconnect  uint32 = 0x00110004
	FsctlPipeListen      uint32 = 0x00110008
	FsctlPipePeek        uint32 = 0x0011400c
	FsctlPipeQueryEvent  uint32 = 0x00110010
	FsctlPipeTransceive  uint32 = 0x0011c017
	FsctlPipeWait        uint32 = 0x00110018
	FsctlPipeImpersonate uint32 = 0x0011001c

	FsctlSrvEnumerateSnapshots     uint32 = 0x00144064
	FsctlSrvRequestResumeKey       uint32 = 0x00140078
	FsctlSrvCopychunk              uint32 = 0x001440f2
	FsctlSrvCopychunkWrite         uint32 = 0x001480f2
	FsctlSrvReadHash               uint32 = 0x001441bb
	FsctlLmrRequestResiliency      uint32 = 0x001401d4
	FsctlQueryNetworkInterfaceInfo uint32 = 0x001401fc
	FsctlValidateNegotiateInfo     uint32 = 0x00140204
)

// fsctlNames has the codes that deserve a name in logs and metrics.
var fsctlNames = map[uint32]string{
	FsctlDfsGetReferrals:           "DFS_GET_REFERRALS",
	FsctlDfsGetReferralsEx:         "DFS_GET_REFERRALS_EX",
	FsctlIsPathnameValid:           "IS_PATHNAME_VALID",
	FsctlGetCompression:            "GET_COMPRESSION",
	FsctlSetCompression:            "SET_COMPRESSION",
	FsctlFilesystemGetStatistics:   "FILESYSTEM_GET_STATISTICS",
	FsctlGetNtfsVolumeData:         "GET_NTFS_VOLUME_DATA",
	FsctlGetRetrievalPointers:      "GET_RETRIEVAL_POINTERS",
	FsctlFindFilesBySid:            "FIND_FILES_BY_SID",
	FsctlSetObjectID:               "SET_OBJECT_ID",
	FsctlGetObjectID:               "GET_OBJECT_ID",
	FsctlDeleteObjectID:            "DELETE_OBJECT_ID",
	FsctlSetObjectIDExtended:       "SET_OBJECT_ID_EXTENDED",
	FsctlCreateOrGetObjectID:       "CREATE_OR_GET_OBJECT_ID",
	FsctlSetReparsePoint:           "SET_REPARSE_POINT",
	FsctlGetReparsePoint:           "GET_REPARSE_POINT",
	FsctlDeleteReparsePoint:        "DELETE_REPARSE_POINT",
	FsctlSetSparse:                 "SET_SPARSE",
	FsctlSetZeroData:               "SET_ZERO_DATA",
	FsctlQueryAllocatedRanges:      "QUERY_ALLOCATED_RANGES",
	FsctlSetEncryption:             "SET_ENCRYPTION",
	FsctlReadFileUsnData:           "READ_FILE_USN_DATA",
	FsctlWriteUsnCloseRecord:       "WRITE_USN_CLOSE_RECORD",
	FsctlFileLevelTrim:             "FILE_LEVEL_TRIM",
	FsctlOffloadRead:               "OFFLOAD_READ",
	FsctlOffloadWrite:              "OFFLOAD_WRITE",
	FsctlGetIntegrityInformation:   "GET_INTEGRITY_INFORMATION",
	FsctlSetIntegrityInformation:   "SET_INTEGRITY_INFORMATION",
	FsctlQueryFileRegions:          "QUERY_FILE_REGIONS",
	FsctlQuerySharedVirtualDisk:    "QUERY_SHARED_VIRTUAL_DISK_SUPPORT",
	FsctlSvhdxSyncTunnel:           "SVHDX_SYNC_TUNNEL_REQUEST",
	FsctlSvhdxAsyncTunnel:          "SVHDX_ASYNC_TUNNEL_REQUEST",
	FsctlDuplicateExtentsToFile:    "DUPLICATE_EXTENTS_TO_FILE",
	FsctlDuplicateExtentsToFileEx:  "DUPLICATE_EXTENTS_TO_FILE_EX",
	FsctlPipePeek:                  "PIPE_PEEK",
	FsctlPipeTransceive:            "PIPE_TRANSCEIVE",
	FsctlPipeWait:                  "PIPE_WAIT",
	FsctlSrvEnumerateSnapshots:     "SRV_ENUMERATE_SNAPSHOTS",
	FsctlSrvRequestResumeKey:       "SRV_REQUEST_RESUME_KEY",
	FsctlSrvCopychunk:              "SRV_COPYCHUNK",
	FsctlSrvCopychunkWrite:         "SRV_COPYCHUNK_WRITE",
	FsctlSrvReadHash:               "SRV_READ_HASH",
	FsctlLmrRequestResiliency:      "LMR_REQUEST_RESILIENCY",
	FsctlQueryNetworkInterfaceInfo: "QUERY_NETWORK_INTERFACE_INFO",
	FsctlValidateNegotiateInfo:     "VALIDATE_NEGOTIATE_INFO",
}

// FsctlName is the name of a control code without its FSCTL prefix, or OTHER.
// The set of results is bounded, so it may serve as a metric label.
func FsctlName(code uint32) string {
	if name, ok := fsctlNames[code]; ok {
		return name
	}
	return "OTHER"
}
