// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {ReentrancyGuard} from "solady/utils/ReentrancyGuard.sol";
import {Registry} from "./Registry.sol";
import {Inbox} from "./Inbox.sol";
import {BaseConsumer} from "./consumer/Base.sol";
import {Fee} from "./payments/Fee.sol";
import {IVerifier} from "./payments/IVerifier.sol";
import {Wallet} from "./payments/Wallet.sol";
import {WalletFactory} from "./payments/WalletFactory.sol";

/// @notice A standing order for compute.
struct Subscription {
    /// @dev Who created it and is called back.
    address owner;
    /// @dev The earliest delivery, in unix seconds; `type(uint32).max` when cancelled.
    uint32 activeAt;
    /// @dev Seconds in an interval; 0 for a single one.
    uint32 period;
    /// @dev The number of intervals.
    uint32 frequency;
    /// @dev How many nodes may answer each interval.
    uint16 redundancy;
    /// @dev `keccak256(abi.encode(list))` of the container ids joined with `,`.
    bytes32 containerId;
    /// @dev Whether answers go to the Inbox.
    bool lazy;
    /// @dev An `IVerifier`; zero for no proof.
    address payable verifier;
    /// @dev Base units of `paymentToken` for each answer.
    uint256 paymentAmount;
    /// @dev An ERC-20; zero for the native coin.
    address paymentToken;
    /// @dev The consumer's `Wallet`.
    address payable wallet;
}

/// @notice A paid delivery whose proof is not settled yet.
struct ProofRequest {
    /// @dev From when on anyone may settle in favour of the node, in unix seconds.
    uint32 expiry;
    /// @dev Where the node's bond is locked.
    Wallet nodeWallet;
    /// @dev What the consumer's wallet has locked for the node.
    uint256 consumerEscrowed;
}

/// @title Takes subscriptions, answers and verdicts on proofs; calls consumers back and moves their payments.
/// @dev Nothing here is privileged: any account may act as a node.
contract Coordinator is ReentrancyGuard {
    /// @dev How long a verifier has before a proof counts as valid.
    uint32 private constant PROOF_WINDOW_SEC = 1 weeks;
    /// @dev A whole, in basis points.
    uint256 private constant BPS = 10_000;

    Inbox private immutable INBOX;
    Fee private immutable FEE;
    WalletFactory private immutable WALLET_FACTORY;

    /// @notice The id that the next subscription gets, from 1.
    uint32 public id = 1;

    /// @notice `keccak256(abi.encode(subscriptionId, interval, node))` -> whether the node has answered.
    mapping(bytes32 => bool) public nodeResponded;
    /// @notice `keccak256(abi.encode(subscriptionId, interval))` -> how many nodes have answered.
    mapping(bytes32 => uint16) public redundancyCount;
    /// @notice `keccak256(abi.encode(subscriptionId, interval, node))` -> the delivery whose proof is not settled yet.
    mapping(bytes32 => ProofRequest) public proofRequests;
    /// @dev Subscription id -> subscription.
    mapping(uint32 => Subscription) internal subscriptions;

    event SubscriptionCreated(uint32 indexed id);
    event SubscriptionCancelled(uint32 indexed id);
    /// @notice `node` answered an interval of subscription `id`.
    event SubscriptionFulfilled(uint32 indexed id, address indexed node);
    /// @notice A proof was settled by `verifier`, which is whoever called.
    /// @dev `valid` repeats the argument even when `active` is false and it decided nothing.
    event ProofVerified(
        uint32 indexed id, uint32 indexed interval, address indexed node, bool active, address verifier, bool valid
    );

    /// @notice Thrown when a paid delivery names a wallet that the factory did not create.
    error InvalidWallet();
    /// @notice Thrown when the interval that is answered is not the current one.
    error IntervalMismatch();
    /// @notice Thrown when the current interval has as many answers as it may have.
    error IntervalCompleted();
    /// @notice Thrown when a verifier other than the subscription's settles a proof before its expiry.
    error UnauthorizedVerifier();
    /// @notice Thrown when the node has answered the interval before.
    error NodeRespondedAlready();
    /// @notice Thrown when no subscription has this id.
    error SubscriptionNotFound();
    /// @notice Thrown when no unsettled proof exists for this delivery.
    error ProofRequestNotFound();
    /// @notice Thrown when someone other than the owner cancels.
    error NotSubscriptionOwner();
    /// @notice Thrown when the current interval comes after the last one.
    error SubscriptionCompleted();
    /// @notice Thrown before the first interval, and for ever after the cancellation.
    error SubscriptionNotActive();
    /// @notice Thrown when the verifier takes no fees in the payment token.
    error UnsupportedVerifierToken();

    constructor(Registry registry) {
        INBOX = Inbox(registry.INBOX());
        FEE = Fee(registry.FEE());
        WALLET_FACTORY = WalletFactory(registry.WALLET_FACTORY());
    }

    /// @notice Creates a subscription owned by the caller; for the arguments see `Subscription`.
    /// @dev Validates nothing. The first interval starts one `period` after now.
    /// @param containerId container ids in order of execution, joined with `,`
    /// @return the subscription's id
    function createSubscription(
        string memory containerId,
        uint32 frequency,
        uint32 period,
        uint16 redundancy,
        bool lazy,
        address paymentToken,
        uint256 paymentAmount,
        address wallet,
        address verifier
    ) external returns (uint32) {
        uint32 subscriptionId = _nextId();
        subscriptions[subscriptionId] = Subscription({
            owner: msg.sender,
            activeAt: uint32(block.timestamp) + period,
            period: period,
            frequency: frequency,
            redundancy: redundancy,
            containerId: keccak256(abi.encode(containerId)),
            lazy: lazy,
            verifier: payable(verifier),
            paymentAmount: paymentAmount,
            paymentToken: paymentToken,
            wallet: payable(wallet)
        });
        emit SubscriptionCreated(subscriptionId);
        return subscriptionId;
    }

    /// @notice Ends a subscription of the caller. Proofs that are not settled yet still can be.
    function cancelSubscription(uint32 subscriptionId) external {
        Subscription storage sub = subscriptions[subscriptionId];
        if (sub.owner != msg.sender) revert NotSubscriptionOwner();
        sub.activeAt = type(uint32).max;
        emit SubscriptionCancelled(subscriptionId);
    }

    /// @notice Answers the current interval of a subscription: pays, then calls the owner back.
    /// @dev The order of the checks is part of the protocol: nodes simulate and act upon the first revert.
    /// Warning: a delivery that waits is public; anyone may send the same answer first and be paid for it.
    /// @param deliveryInterval the interval that is answered; must be the current one
    /// @param input what the container was given
    /// @param output what the container answered
    /// @param proof the container's proof
    /// @param nodeWallet where the node is paid and its bond locked; ignored by unpaid subscriptions
    function deliverCompute(
        uint32 subscriptionId,
        uint32 deliveryInterval,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof,
        address nodeWallet
    ) public nonReentrant {
        Subscription memory sub = subscriptions[subscriptionId];
        if (sub.owner == address(0)) revert SubscriptionNotFound();
        if (uint32(block.timestamp) < sub.activeAt) revert SubscriptionNotActive();
        uint32 interval = getSubscriptionInterval(sub.activeAt, sub.period);
        if (interval != deliveryInterval) revert IntervalMismatch();
        if (interval > sub.frequency) revert SubscriptionCompleted();

        uint16 answers = _countAnswer(subscriptionId, interval, sub.redundancy);
        if (sub.paymentAmount > 0) _pay(sub, subscriptionId, interval, proof, nodeWallet);
        if (sub.lazy) {
            uint256 index = INBOX.writeViaCoordinator(
                sub.containerId, msg.sender, subscriptionId, interval, input, output, proof
            );
            BaseConsumer(sub.owner).rawReceiveCompute(
                subscriptionId, interval, answers, msg.sender, "", "", "", sub.containerId, index
            );
        } else {
            BaseConsumer(sub.owner).rawReceiveCompute(
                subscriptionId, interval, answers, msg.sender, input, output, proof, bytes32(0), 0
            );
        }
        emit SubscriptionFulfilled(subscriptionId, msg.sender);
    }

    /// @notice Settles the proof of one delivery: pays the node, or slashes its bond in favour of the consumer.
    /// @dev Only the subscription's verifier may call before the expiry. From then on anyone may, and the node is paid
    /// whatever `valid` says. Not guarded against reentrancy, so that a verifier may settle within its request.
    /// @param node the account that delivered
    function finalizeProofVerification(uint32 subscriptionId, uint32 interval, address node, bool valid) external {
        bytes32 key = keccak256(abi.encode(subscriptionId, interval, node));
        ProofRequest memory request = proofRequests[key];
        delete proofRequests[key];
        if (request.expiry == 0) revert ProofRequestNotFound();

        Subscription memory sub = subscriptions[subscriptionId];
        Wallet consumerWallet = Wallet(sub.wallet);
        request.nodeWallet.cUnlock(node, sub.paymentToken, sub.paymentAmount);
        consumerWallet.cUnlock(sub.owner, sub.paymentToken, request.consumerEscrowed);

        bool active = uint32(block.timestamp) < request.expiry;
        if (active && msg.sender != sub.verifier) revert UnauthorizedVerifier();
        if (active && !valid) {
            request.nodeWallet.cTransfer(node, sub.paymentToken, sub.wallet, sub.paymentAmount);
        } else {
            consumerWallet.cTransfer(
                sub.owner, sub.paymentToken, address(request.nodeWallet), request.consumerEscrowed
            );
        }
        emit ProofVerified(subscriptionId, interval, node, active, msg.sender, valid);
    }

    /// @notice The subscription with this id; all zero when there is none.
    function getSubscription(uint32 subscriptionId) external view returns (Subscription memory) {
        return subscriptions[subscriptionId];
    }

    /// @notice The interval that a subscription is in, from 1.
    /// @dev Warning: before `activeAt` the difference wraps around and the answer is meaningless.
    function getSubscriptionInterval(uint32 activeAt, uint32 period) public view returns (uint32) {
        if (period == 0) return 1;
        unchecked {
            return (uint32(block.timestamp) - activeAt) / period + 1;
        }
    }

    /// @dev Takes the next subscription id.
    function _nextId() internal returns (uint32 subscriptionId) {
        subscriptionId = id;
        unchecked {
            id = subscriptionId + 1;
        }
    }

    /// @dev Notes that the caller answers. Returns how many answers the interval has with this one.
    function _countAnswer(uint32 subscriptionId, uint32 interval, uint16 redundancy)
        private
        returns (uint16 answers)
    {
        bytes32 key = keccak256(abi.encode(subscriptionId, interval));
        answers = redundancyCount[key];
        if (answers == redundancy) revert IntervalCompleted();
        unchecked {
            answers += 1;
        }
        redundancyCount[key] = answers;

        key = keccak256(abi.encode(subscriptionId, interval, msg.sender));
        if (nodeResponded[key]) revert NodeRespondedAlready();
        nodeResponded[key] = true;
    }

    /// @dev Pays the protocol and then the node or, when there is a verifier, the verifier; in that case locks the node's
    /// bond, and what is left for the node. The protocol fee is charged twice on the same amount, for the consumer's side
    /// and for the node's; divisions round down, in favour of the node and the verifier.
    function _pay(
        Subscription memory sub,
        uint32 subscriptionId,
        uint32 interval,
        bytes calldata proof,
        address nodeWallet
    ) private {
        if (!WALLET_FACTORY.isValidWallet(nodeWallet)) revert InvalidWallet();
        if (!WALLET_FACTORY.isValidWallet(sub.wallet)) revert InvalidWallet();

        uint16 feeBps = FEE.FEE();
        address feeRecipient = FEE.FEE_RECIPIENT();
        uint256 cut = sub.paymentAmount * (feeBps * 2) / BPS;
        uint256 rest = sub.paymentAmount - cut;
        Wallet consumerWallet = Wallet(sub.wallet);
        consumerWallet.cTransfer(sub.owner, sub.paymentToken, feeRecipient, cut);
        if (sub.verifier == address(0)) {
            consumerWallet.cTransfer(sub.owner, sub.paymentToken, nodeWallet, rest);
            return;
        }

        IVerifier verifier = IVerifier(sub.verifier);
        if (!verifier.isSupportedToken(sub.paymentToken)) revert UnsupportedVerifierToken();
        uint256 verifierFee = verifier.fee(sub.paymentToken);
        rest -= verifierFee;
        cut = verifierFee * feeBps / BPS;
        consumerWallet.cTransfer(sub.owner, sub.paymentToken, feeRecipient, cut);
        consumerWallet.cTransfer(sub.owner, sub.paymentToken, verifier.getWallet(), verifierFee - cut);

        Wallet(payable(nodeWallet)).cLock(msg.sender, sub.paymentToken, sub.paymentAmount);
        consumerWallet.cLock(sub.owner, sub.paymentToken, rest);
        proofRequests[keccak256(abi.encode(subscriptionId, interval, msg.sender))] = ProofRequest({
            expiry: uint32(block.timestamp) + PROOF_WINDOW_SEC,
            nodeWallet: Wallet(payable(nodeWallet)),
            consumerEscrowed: rest
        });
        verifier.requestProofVerification(subscriptionId, interval, msg.sender, proof);
    }
}
