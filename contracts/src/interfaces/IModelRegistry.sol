// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ModelId} from "../types/ModelId.sol";
import {Terms} from "../types/Usage.sol";

/// @title The public list of models: who hosts them, where they answer, what they cost.
/// @notice Anyone may register a model; only its host changes it. There is no owner and nothing to pause.
/// @dev A model's host is responsible for its consumer: the registry does not inspect the contract's code.
interface IModelRegistry {
    /// @notice `Paused` refuses new requests until resumed, `Retired` for ever; answers under way stay valid in both.
    enum Status {
        None,
        Active,
        Paused,
        Retired
    }

    /// @notice What a host declares.
    /// @param artifactId what is served: keccak256(abi.encode(hg_repo_id, revision, base_model))
    /// @param metadataHash keccak256 of the bytes behind `metadataUri`
    /// @param metadataUri where a description can be read
    /// @param containers Infernet container ids joined by commas, as nodes know them
    /// @param consumer contract through which requests are made
    /// @param receiptSigner account or ERC-1271 contract that signs usage receipts
    /// @param nodes Infernet nodes that may deliver, at most 32, no repeats
    /// @param terms price, caps and split
    struct Listing {
        bytes32 artifactId;
        bytes32 metadataHash;
        string metadataUri;
        string containers;
        address consumer;
        address receiptSigner;
        address[] nodes;
        Terms terms;
    }

    /// @notice A registered model.
    /// @param previousSigner signer before the last rotation, valid until `previousSignerUntil` (unix seconds)
    /// @param containerId Infernet's hash of the container list: keccak256(abi.encode(containers))
    struct Model {
        address host;
        Status status;
        address consumer;
        address receiptSigner;
        address previousSigner;
        uint40 previousSignerUntil;
        bytes32 artifactId;
        bytes32 containerId;
        bytes32 metadataHash;
        Terms terms;
        string metadataUri;
        string containers;
        address[] nodes;
    }

    /// @notice Thrown when the caller is not the model's host.
    error NotModelHost(ModelId modelId, address caller);
    /// @notice Thrown when the host registered this artifact before.
    error ModelAlreadyRegistered(ModelId modelId);
    /// @notice Thrown when no such model is registered.
    error ModelUnknown(ModelId modelId);
    /// @notice Thrown when a retired model is changed.
    error ModelIsRetired(ModelId modelId);
    /// @notice Thrown when the model is in another state than the call needs.
    error ModelStatusMismatch(ModelId modelId, Status status);
    /// @notice Thrown when a required value is zero or empty; `field` names it.
    error ValueMissing(string field);
    /// @notice Thrown when the shares of training nodes and validators exceed the whole.
    error SplitTooLarge(uint256 trainingPpm, uint256 validatorPpm);
    /// @notice Thrown when a model lists more than `MAX_NODES` nodes.
    error TooManyNodes(uint256 count);
    /// @notice Thrown when a node is listed twice or is the zero address.
    error NodeInvalid(address node);
    /// @notice Thrown when a grace period is longer than `MAX_SIGNER_GRACE`.
    error GraceTooLong(uint256 seconds_);

    /// @notice A model was registered.
    event ModelRegistered(ModelId indexed modelId, address indexed host, bytes32 indexed artifactId, address consumer);
    /// @notice A model's price, caps or split changed; requests already made keep theirs.
    event TermsUpdated(ModelId indexed modelId, Terms terms);
    /// @notice A model's description changed.
    event MetadataUpdated(ModelId indexed modelId, string metadataUri, bytes32 metadataHash);
    /// @notice A model's container list changed.
    event ContainersUpdated(ModelId indexed modelId, string containers, bytes32 containerId);
    /// @notice A model's consumer changed.
    event ConsumerUpdated(ModelId indexed modelId, address indexed consumer);
    /// @notice A model's nodes changed.
    event NodesUpdated(ModelId indexed modelId, address[] nodes);
    /// @notice A model's receipt signer changed; the previous one stays valid until `previousUntil`.
    event ReceiptSignerRotated(ModelId indexed modelId, address indexed signer, address indexed previous, uint40 previousUntil);
    /// @notice A model was paused, resumed or retired.
    event StatusChanged(ModelId indexed modelId, Status status);

    /// @notice Most nodes a model can list: one bit each in the meter's record of an interval.
    function MAX_NODES() external view returns (uint256);

    /// @notice Longest time that a replaced receipt signer can stay valid, in seconds.
    function MAX_SIGNER_GRACE() external view returns (uint256);

    /// @notice Registers a model of the caller.
    /// @return modelId keccak256(abi.encode(caller, listing.artifactId))
    function register(Listing calldata listing) external returns (ModelId modelId);

    /// @notice Changes price, caps and split for requests to come.
    function updateTerms(ModelId modelId, Terms calldata terms) external;

    /// @notice Changes where the description is found.
    function updateMetadata(ModelId modelId, string calldata metadataUri, bytes32 metadataHash) external;

    /// @notice Changes the container list for requests to come.
    function updateContainers(ModelId modelId, string calldata containers) external;

    /// @notice Changes the consumer for requests to come; the old one still delivers what it took.
    function updateConsumer(ModelId modelId, address consumer) external;

    /// @notice Replaces the list of nodes that may deliver.
    /// @dev Warning: a node that is taken off the list can no longer deliver what it is computing. A node keeps its
    ///      place when it stays on the list, so the record of who answered an open interval stays right.
    function updateNodes(ModelId modelId, address[] calldata nodes) external;

    /// @notice Replaces the receipt signer; receipts of the old one are accepted for `graceSec` seconds more.
    /// @dev Warning: give no grace when the old key is lost to somebody else.
    function rotateReceiptSigner(ModelId modelId, address signer, uint256 graceSec) external;

    /// @notice Refuses new requests until resumed.
    function pause(ModelId modelId) external;

    /// @notice Accepts requests again.
    function resume(ModelId modelId) external;

    /// @notice Refuses new requests for ever.
    function retire(ModelId modelId) external;

    /// @notice Everything about a model. Unknown ids give an empty answer with status `None`.
    function getModel(ModelId modelId) external view returns (Model memory);

    /// @notice The host of a model, zero when unknown.
    function hostOf(ModelId modelId) external view returns (address);

    /// @notice What a request needs to know of a model.
    function requestFacts(ModelId modelId)
        external
        view
        returns (Status status, address consumer, Terms memory terms);

    /// @notice What checking a receipt needs to know of a model.
    /// @return receiptSigner current signer
    /// @return place place of `node` in the list counted from 1; 0, and no signer, when it is not listed
    function receiptFacts(ModelId modelId, address node) external view returns (address receiptSigner, uint256 place);

    /// @notice The receipt signer before the current one, zero when its grace is over or there was none.
    function previousSignerOf(ModelId modelId) external view returns (address);

    /// @notice The container list, to be handed to the Infernet Coordinator.
    function containersOf(ModelId modelId) external view returns (string memory);

    /// @notice How many models were ever registered.
    function modelCount() external view returns (uint256);

    /// @notice Ids of models in order of registration, from `start`, at most `count`.
    function listModels(uint256 start, uint256 count) external view returns (ModelId[] memory);
}
