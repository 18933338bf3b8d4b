// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {ECDSA} from "solady/utils/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {Registry} from "./Registry.sol";
import {Coordinator, Subscription} from "./Coordinator.sol";
import {Delegator} from "./pattern/Delegator.sol";

/// @title A Coordinator that also takes subscriptions which a consumer's signer signed off chain.
/// @dev A signature is bound to an owner and a nonce, and not to a node: any node may use it, in any order, once.
contract EIP712Coordinator is EIP712, Coordinator {
    /// @notice The name in the EIP-712 domain.
    string public constant EIP712_NAME = "InfernetCoordinator";
    /// @notice The version in the EIP-712 domain.
    string public constant EIP712_VERSION = "1";

    bytes32 private constant SUBSCRIPTION_TYPEHASH = keccak256(
        "Subscription(address owner,uint32 activeAt,uint32 period,uint32 frequency,uint16 redundancy,bytes32 containerId,bool lazy,address verifier,uint256 paymentAmount,address paymentToken,address wallet)"
    );
    bytes32 private constant DELEGATE_SUBSCRIPTION_TYPEHASH = keccak256(
        "DelegateSubscription(uint32 nonce,uint32 expiry,Subscription sub)Subscription(address owner,uint32 activeAt,uint32 period,uint32 frequency,uint16 redundancy,bytes32 containerId,bool lazy,address verifier,uint256 paymentAmount,address paymentToken,address wallet)"
    );

    /// @notice Owner -> the highest nonce used so far. Only a hint: lower ones may be unused.
    mapping(address => uint32) public maxSubscriberNonce;
    /// @notice `keccak256(abi.encode(owner, nonce))` -> the subscription created with it; 0 when unused.
    mapping(bytes32 => uint32) public delegateCreatedIds;

    /// @notice Thrown when the signature is not by the owner's signer.
    error SignerMismatch();
    /// @notice Thrown when a signature is first used at or after its expiry.
    error SignatureExpired();

    constructor(Registry registry) Coordinator(registry) {}

    /// @notice Creates the subscription that the signer of `sub.owner` signed, or returns the one created before.
    /// @dev Warning: with a nonce that was used before, neither signature nor expiry nor the rest of `sub` counts.
    /// `sub` is stored as it is: `activeAt` is the signer's choice and is not moved by `period`.
    /// @param expiry from when on the signature cannot be used for the first time, in unix seconds
    /// @return the subscription's id
    function createSubscriptionDelegatee(
        uint32 nonce,
        uint32 expiry,
        Subscription calldata sub,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) public returns (uint32) {
        bytes32 key = keccak256(abi.encode(sub.owner, nonce));
        uint32 subscriptionId = delegateCreatedIds[key];
        if (subscriptionId != 0) return subscriptionId;

        if (uint32(block.timestamp) >= expiry) revert SignatureExpired();
        address signer = ECDSA.recover(_digest(nonce, expiry, sub), v, r, s);
        if (signer != Delegator(sub.owner).getSigner()) revert SignerMismatch();

        subscriptionId = _nextId();
        subscriptions[subscriptionId] = sub;
        delegateCreatedIds[key] = subscriptionId;
        emit SubscriptionCreated(subscriptionId);
        if (nonce > maxSubscriberNonce[sub.owner]) maxSubscriberNonce[sub.owner] = nonce;
        return subscriptionId;
    }

    /// @notice Creates the signed subscription unless it exists, and answers its current interval.
    /// @dev The arguments are those of `createSubscriptionDelegatee` and `deliverCompute`.
    function deliverComputeDelegatee(
        uint32 nonce,
        uint32 expiry,
        Subscription calldata sub,
        uint8 v,
        bytes32 r,
        bytes32 s,
        uint32 deliveryInterval,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof,
        address nodeWallet
    ) external {
        uint32 subscriptionId = createSubscriptionDelegatee(nonce, expiry, sub, v, r, s);
        deliverCompute(subscriptionId, deliveryInterval, input, output, proof, nodeWallet);
    }

    function _digest(uint32 nonce, uint32 expiry, Subscription calldata sub) private view returns (bytes32) {
        bytes32 subHash = keccak256(abi.encode(SUBSCRIPTION_TYPEHASH, sub));
        return _hashTypedData(keccak256(abi.encode(DELEGATE_SUBSCRIPTION_TYPEHASH, nonce, expiry, subHash)));
    }

    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return (EIP712_NAME, EIP712_VERSION);
    }
}
