// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {ModelId} from "./types/ModelId.sol";
import {Terms} from "./types/Usage.sol";

/// @title ModelRegistry
contract ModelRegistry is IModelRegistry {
    /// @inheritdoc IModelRegistry
    uint256 public constant MAX_NODES = 32;

    /// @inheritdoc IModelRegistry
    uint256 public constant MAX_SIGNER_GRACE = 7 days;

    /// @dev The whole, in parts per million.
    uint256 internal constant PPM = 1_000_000;

    /// @dev A listed node, with its place counted from 1 and the model's receipt signer beside it: all that a delivery reads.
    struct NodeRecord {
        address receiptSigner;
        uint8 place;
    }

    /// @dev Ordered so that a request reads `consumer` and `terms` alone.
    struct Entry {
        address consumer;
        Status status;
        Terms terms;
        address receiptSigner;
        uint40 previousSignerUntil;
        address previousSigner;
        address host;
        bytes32 artifactId;
        bytes32 metadataHash;
        string metadataUri;
        string containers;
        address[] nodes;
        mapping(address node => NodeRecord record) nodeRecords;
    }

    mapping(ModelId modelId => Entry entry) internal entries;

    ModelId[] internal modelIds;

    /// @dev Only the host, and only while the model is not retired.
    modifier onlyHostOf(ModelId modelId) {
        Entry storage entry = entries[modelId];
        if (entry.host != msg.sender) revert NotModelHost(modelId, msg.sender);
        if (entry.status == Status.Retired) revert ModelIsRetired(modelId);
        _;
    }

    /// @inheritdoc IModelRegistry
    function register(Listing calldata listing) external returns (ModelId modelId) {
        if (listing.artifactId == 0) revert ValueMissing("artifactId");
        modelId = ModelId.wrap(keccak256(abi.encode(msg.sender, listing.artifactId)));
        Entry storage entry = entries[modelId];
        if (entry.status != Status.None) revert ModelAlreadyRegistered(modelId);

        entry.host = msg.sender;
        entry.status = Status.Active;
        entry.artifactId = listing.artifactId;
        modelIds.push(modelId);
        emit ModelRegistered(modelId, msg.sender, listing.artifactId, listing.consumer);

        _setTerms(modelId, entry, listing.terms);
        _setMetadata(modelId, entry, listing.metadataUri, listing.metadataHash);
        _setContainers(modelId, entry, listing.containers);
        _setConsumer(modelId, entry, listing.consumer);
        _setNodes(modelId, entry, listing.nodes);
        _setReceiptSigner(modelId, entry, listing.receiptSigner, 0);
    }

    /// @inheritdoc IModelRegistry
    function updateTerms(ModelId modelId, Terms calldata terms) external onlyHostOf(modelId) {
        _setTerms(modelId, entries[modelId], terms);
    }

    /// @inheritdoc IModelRegistry
    function updateMetadata(ModelId modelId, string calldata metadataUri, bytes32 metadataHash)
        external
        onlyHostOf(modelId)
    {
        _setMetadata(modelId, entries[modelId], metadataUri, metadataHash);
    }

    /// @inheritdoc IModelRegistry
    function updateContainers(ModelId modelId, string calldata containers) external onlyHostOf(modelId) {
        _setContainers(modelId, entries[modelId], containers);
    }

    /// @inheritdoc IModelRegistry
    function updateConsumer(ModelId modelId, address consumer) external onlyHostOf(modelId) {
        _setConsumer(modelId, entries[modelId], consumer);
    }

    /// @inheritdoc IModelRegistry
    function updateNodes(ModelId modelId, address[] calldata nodes) external onlyHostOf(modelId) {
        _setNodes(modelId, entries[modelId], nodes);
    }

    /// @inheritdoc IModelRegistry
    function rotateReceiptSigner(ModelId modelId, address signer, uint256 graceSec) external onlyHostOf(modelId) {
        if (graceSec > MAX_SIGNER_GRACE) revert GraceTooLong(graceSec);
        _setReceiptSigner(modelId, entries[modelId], signer, graceSec);
    }

    /// @inheritdoc IModelRegistry
    function pause(ModelId modelId) external onlyHostOf(modelId) {
        _changeStatus(modelId, Status.Active, Status.Paused);
    }

    /// @inheritdoc IModelRegistry
    function resume(ModelId modelId) external onlyHostOf(modelId) {
        _changeStatus(modelId, Status.Paused, Status.Active);
    }

    /// @inheritdoc IModelRegistry
    function retire(ModelId modelId) external onlyHostOf(modelId) {
        entries[modelId].status = Status.Retired;
        emit StatusChanged(modelId, Status.Retired);
    }

    /// @inheritdoc IModelRegistry
    function getModel(ModelId modelId) external view returns (Model memory model) {
        Entry storage entry = entries[modelId];
        model.host = entry.host;
        model.status = entry.status;
        model.consumer = entry.consumer;
        model.receiptSigner = entry.receiptSigner;
        model.previousSigner = entry.previousSigner;
        model.previousSignerUntil = entry.previousSignerUntil;
        model.artifactId = entry.artifactId;
        model.containerId = bytes(entry.containers).length == 0 ? bytes32(0) : keccak256(abi.encode(entry.containers));
        model.metadataHash = entry.metadataHash;
        model.terms = entry.terms;
        model.metadataUri = entry.metadataUri;
        model.containers = entry.containers;
        model.nodes = _listedNodes(entry.nodes);
    }

    /// @inheritdoc IModelRegistry
    function hostOf(ModelId modelId) external view returns (address) {
        return entries[modelId].host;
    }

    /// @inheritdoc IModelRegistry
    function requestFacts(ModelId modelId)
        external
        view
        returns (Status status, address consumer, Terms memory terms)
    {
        Entry storage entry = entries[modelId];
        return (entry.status, entry.consumer, entry.terms);
    }

    /// @inheritdoc IModelRegistry
    function receiptFacts(ModelId modelId, address node)
        external
        view
        returns (address receiptSigner, uint256 place)
    {
        NodeRecord memory record = entries[modelId].nodeRecords[node];
        return (record.receiptSigner, record.place);
    }

    /// @inheritdoc IModelRegistry
    function previousSignerOf(ModelId modelId) external view returns (address) {
        Entry storage entry = entries[modelId];
        return entry.previousSignerUntil >= block.timestamp ? entry.previousSigner : address(0);
    }

    /// @inheritdoc IModelRegistry
    function containersOf(ModelId modelId) external view returns (string memory) {
        return entries[modelId].containers;
    }

    /// @inheritdoc IModelRegistry
    function modelCount() external view returns (uint256) {
        return modelIds.length;
    }

    /// @inheritdoc IModelRegistry
    function listModels(uint256 start, uint256 count) external view returns (ModelId[] memory ids) {
        uint256 total = modelIds.length;
        if (start >= total) return ids;
        uint256 size = total - start < count ? total - start : count;
        ids = new ModelId[](size);
        for (uint256 i; i < size; ++i) {
            ids[i] = modelIds[start + i];
        }
    }

    function _setTerms(ModelId modelId, Entry storage entry, Terms calldata terms) internal {
        if (uint256(terms.trainingPpm) + terms.validatorPpm > PPM) {
            revert SplitTooLarge(terms.trainingPpm, terms.validatorPpm);
        }
        if (terms.maxCompletionTokens == 0) revert ValueMissing("maxCompletionTokens");
        entry.terms = terms;
        emit TermsUpdated(modelId, terms);
    }

    function _setMetadata(ModelId modelId, Entry storage entry, string calldata metadataUri, bytes32 metadataHash)
        internal
    {
        entry.metadataUri = metadataUri;
        entry.metadataHash = metadataHash;
        emit MetadataUpdated(modelId, metadataUri, metadataHash);
    }

    function _setContainers(ModelId modelId, Entry storage entry, string calldata containers) internal {
        if (bytes(containers).length == 0) revert ValueMissing("containers");
        entry.containers = containers;
        emit ContainersUpdated(modelId, containers, keccak256(abi.encode(containers)));
    }

    function _setConsumer(ModelId modelId, Entry storage entry, address consumer) internal {
        if (consumer == address(0)) revert ValueMissing("consumer");
        entry.consumer = consumer;
        emit ConsumerUpdated(modelId, consumer);
    }

    function _setReceiptSigner(ModelId modelId, Entry storage entry, address signer, uint256 graceSec) internal {
        if (signer == address(0)) revert ValueMissing("receiptSigner");
        address previous = graceSec == 0 ? address(0) : entry.receiptSigner;
        uint40 previousUntil = graceSec == 0 ? 0 : uint40(block.timestamp + graceSec);
        entry.receiptSigner = signer;
        entry.previousSigner = previous;
        entry.previousSignerUntil = previousUntil;
        for (uint256 i; i < entry.nodes.length; ++i) {
            address node = entry.nodes[i];
            if (node != address(0)) entry.nodeRecords[node].receiptSigner = signer;
        }
        emit ReceiptSignerRotated(modelId, signer, previous, previousUntil);
    }

    /// @dev A node keeps its place while it stays listed. New nodes go to the end of the list first and take the places of
    ///      nodes that left only when the list is full, since an open interval may still hold the mark of who left.
    function _setNodes(ModelId modelId, Entry storage entry, address[] calldata nodes) internal {
        if (nodes.length == 0) revert ValueMissing("nodes");
        if (nodes.length > MAX_NODES) revert TooManyNodes(nodes.length);
        for (uint256 i; i < nodes.length; ++i) {
            if (nodes[i] == address(0)) revert NodeInvalid(address(0));
            for (uint256 j; j < i; ++j) {
                if (nodes[j] == nodes[i]) revert NodeInvalid(nodes[i]);
            }
        }

        address[] storage places = entry.nodes;
        for (uint256 i; i < places.length; ++i) {
            address old = places[i];
            if (old != address(0) && !_contains(nodes, old)) {
                delete entry.nodeRecords[old];
                delete places[i];
            }
        }
        uint256 freePlace;
        for (uint256 i; i < nodes.length; ++i) {
            address node = nodes[i];
            if (entry.nodeRecords[node].place != 0) continue;
            if (places.length < MAX_NODES) {
                places.push(node);
                entry.nodeRecords[node] = NodeRecord(entry.receiptSigner, uint8(places.length));
            } else {
                while (places[freePlace] != address(0)) ++freePlace;
                places[freePlace] = node;
                entry.nodeRecords[node] = NodeRecord(entry.receiptSigner, uint8(freePlace + 1));
            }
        }
        emit NodesUpdated(modelId, nodes);
    }

    function _changeStatus(ModelId modelId, Status from, Status to) internal {
        Entry storage entry = entries[modelId];
        if (entry.status != from) revert ModelStatusMismatch(modelId, entry.status);
        entry.status = to;
        emit StatusChanged(modelId, to);
    }

    function _contains(address[] calldata list, address item) internal pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == item) return true;
        }
        return false;
    }

    /// @dev The list without the places that were left empty.
    function _listedNodes(address[] storage places) internal view returns (address[] memory listed) {
        uint256 size = places.length;
        listed = new address[](size);
        uint256 count;
        for (uint256 i; i < size; ++i) {
            if (places[i] != address(0)) listed[count++] = places[i];
        }
        assembly ("memory-safe") {
            mstore(listed, count)
        }
    }
}
