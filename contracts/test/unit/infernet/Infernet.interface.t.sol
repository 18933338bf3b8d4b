// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "solady/auth/Ownable.sol";
import {ERC20} from "solady/tokens/ERC20.sol";
import {ECDSA} from "solady/utils/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {ReentrancyGuard} from "solady/utils/ReentrancyGuard.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {EIP712Coordinator} from "infernet-sdk/EIP712Coordinator.sol";
import {Inbox} from "infernet-sdk/Inbox.sol";
import {BaseConsumer} from "infernet-sdk/consumer/Base.sol";
import {Allowlist} from "infernet-sdk/pattern/Allowlist.sol";
import {Delegator} from "infernet-sdk/pattern/Delegator.sol";
import {Fee} from "infernet-sdk/payments/Fee.sol";
import {IVerifier} from "infernet-sdk/payments/IVerifier.sol";
import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {WalletFactory} from "infernet-sdk/payments/WalletFactory.sol";
import {Coordinated} from "infernet-sdk/utility/Coordinated.sol";
import {Reader} from "infernet-sdk/utility/Reader.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";

/// @dev The numbers are those of the protocol; nodes and indexers have them built in.
contract InfernetInterfaceTest is InfernetTest {
    function same(bytes4 actual, bytes4 expected, string memory what) internal pure {
        assertEq(bytes32(actual), bytes32(expected), what);
    }

    function test_registry_selectors() public view {
        same(registry.COORDINATOR.selector, 0x3b2bcbf1, "COORDINATOR");
        same(registry.INBOX.selector, 0xb7010697, "INBOX");
        same(registry.READER.selector, 0x698eec44, "READER");
        same(registry.FEE.selector, 0xc57981b5, "FEE");
        same(registry.WALLET_FACTORY.selector, 0x0e2009f4, "WALLET_FACTORY");
    }

    function test_coordinator_selectors() public view {
        same(Coordinator.createSubscription.selector, 0x84050893, "createSubscription");
        same(Coordinator.cancelSubscription.selector, 0x31e451a9, "cancelSubscription");
        same(Coordinator.deliverCompute.selector, 0xc509543d, "deliverCompute");
        same(Coordinator.finalizeProofVerification.selector, 0x196ab123, "finalizeProofVerification");
        same(EIP712Coordinator.createSubscriptionDelegatee.selector, 0x9c092514, "createSubscriptionDelegatee");
        same(EIP712Coordinator.deliverComputeDelegatee.selector, 0x9fff314a, "deliverComputeDelegatee");
        same(Coordinator.getSubscription.selector, 0xa17b920b, "getSubscription");
        same(Coordinator.getSubscriptionInterval.selector, 0x836a6cc9, "getSubscriptionInterval");
        same(coordinator.id.selector, 0xaf640d0f, "id");
        same(coordinator.nodeResponded.selector, 0x298f7bdc, "nodeResponded");
        same(coordinator.redundancyCount.selector, 0xbc85694f, "redundancyCount");
        same(coordinator.proofRequests.selector, 0xc34cf5c7, "proofRequests");
        same(coordinator.maxSubscriberNonce.selector, 0x7fb61b27, "maxSubscriberNonce");
        same(coordinator.delegateCreatedIds.selector, 0x60ed0f61, "delegateCreatedIds");
        same(coordinator.EIP712_NAME.selector, 0x3b2fb7a8, "EIP712_NAME");
        same(coordinator.EIP712_VERSION.selector, 0xeccec5a8, "EIP712_VERSION");
        same(EIP712.eip712Domain.selector, 0x84b0196e, "eip712Domain");
    }

    function test_otherContracts_selectors() public view {
        same(Inbox.write.selector, 0x198896dd, "write");
        same(Inbox.writeViaCoordinator.selector, 0x76a87949, "writeViaCoordinator");
        same(Inbox.read.selector, 0x586a6094, "read");
        same(inbox.items.selector, 0x93eaef1f, "items");
        same(Reader.readSubscriptionBatch.selector, 0x3ddc29f5, "readSubscriptionBatch");
        same(Reader.readRedundancyCountBatch.selector, 0x757f1c84, "readRedundancyCountBatch");
        same(fee.FEE.selector, 0xc57981b5, "FEE");
        same(Fee.FEE_RECIPIENT.selector, 0xebd09054, "FEE_RECIPIENT");
        same(Fee.updateFee.selector, 0x2c6cda93, "updateFee");
        same(WalletFactory.createWallet.selector, 0xb054a9e8, "createWallet");
        same(WalletFactory.isValidWallet.selector, 0x439a3012, "isValidWallet");
    }

    function test_wallet_selectors() public view {
        same(Wallet.approve.selector, 0xe1f21c67, "approve");
        same(Wallet.withdraw.selector, 0xf3fef3a3, "withdraw");
        same(Wallet(NOBODY).allowance.selector, 0xdd62ed3e, "allowance");
        same(Wallet.cTransfer.selector, 0x0d67cfd9, "cTransfer");
        same(Wallet.cLock.selector, 0xd0729347, "cLock");
        same(Wallet.cUnlock.selector, 0xc7048369, "cUnlock");
        same(Ownable.owner.selector, 0x8da5cb5b, "owner");
        same(Ownable.transferOwnership.selector, 0xf2fde38b, "transferOwnership");
        same(Ownable.renounceOwnership.selector, 0x715018a6, "renounceOwnership");
        same(Ownable.requestOwnershipHandover.selector, 0x25692962, "requestOwnershipHandover");
        same(Ownable.cancelOwnershipHandover.selector, 0x54d1f13d, "cancelOwnershipHandover");
        same(Ownable.completeOwnershipHandover.selector, 0xf04e283e, "completeOwnershipHandover");
        same(Ownable.ownershipHandoverExpiresAt.selector, 0xfee81cf4, "ownershipHandoverExpiresAt");
    }

    function test_verifierAndConsumer_selectors() public pure {
        same(IVerifier.getWallet.selector, 0x13299604, "getWallet");
        same(IVerifier.isSupportedToken.selector, 0x240028e8, "isSupportedToken");
        same(IVerifier.fee.selector, 0x6fcca69b, "fee");
        same(IVerifier.requestProofVerification.selector, 0x81e79a90, "requestProofVerification");
        same(BaseConsumer.rawReceiveCompute.selector, 0x7a411a8d, "rawReceiveCompute");
        same(BaseConsumer.getContainerInputs.selector, 0x962fad75, "getContainerInputs");
        same(Allowlist.isAllowedNode.selector, 0xa136e529, "isAllowedNode");
        same(Delegator.getSigner.selector, 0x7ac3c02f, "getSigner");
    }

    function test_consumer_inputsCalldata() public pure {
        bytes memory call = abi.encodeCall(
            BaseConsumer.getContainerInputs, (1, 1, 1_700_000_000, 0x70997970C51812dc3A010C7d01b50e0d17dc79C8)
        );

        assertEq(
            call,
            hex"962fad75"
            hex"0000000000000000000000000000000000000000000000000000000000000001"
            hex"0000000000000000000000000000000000000000000000000000000000000001"
            hex"000000000000000000000000000000000000000000000000000000006553f100"
            hex"00000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c8",
            "calldata"
        );
    }

    function test_coordinator_eventTopics() public pure {
        assertEq(
            Coordinator.SubscriptionCreated.selector,
            0x04344ed7a67fec80c444d56ee1cee242f3f75b91fecc8dbce8890069c82eb48e,
            "SubscriptionCreated"
        );
        assertEq(
            Coordinator.SubscriptionCancelled.selector,
            0xf4126e31c182db4c4109605c6d50470fc7e8ca90d62d44fd25cbe049fb9cac3e,
            "SubscriptionCancelled"
        );
        assertEq(
            Coordinator.SubscriptionFulfilled.selector,
            0xc68fb0ae5cea2793405d29014d881bcda18f67122e0bcd7d0a577e118b64e4c8,
            "SubscriptionFulfilled"
        );
        assertEq(
            Coordinator.ProofVerified.selector,
            0xaf1556610075709bf885e17681512d329b1a40f799ee5196f79461e89b656454,
            "ProofVerified"
        );
    }

    function test_otherContracts_eventTopics() public pure {
        assertEq(
            Inbox.NewInboxItem.selector,
            0xac56b74ea9119b4c4e424d8ed4c3cec0c84d1f6b02200df5a8cd27eb756994d1,
            "NewInboxItem"
        );
        assertEq(
            WalletFactory.WalletCreated.selector,
            0xca0b7dde26052d34217ef1a0cee48085a07ca32da0a918609937a307d496bbf5,
            "WalletCreated"
        );
        assertEq(
            Wallet.Withdrawl.selector, 0x65ac0d8bb8cbc0e989ebd02ddc5161d7c499f7c21792e43fcf170314fe6bcc3f, "Withdrawl"
        );
        assertEq(
            Wallet.Approval.selector, 0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925, "Approval"
        );
        assertEq(
            Wallet.Escrow.selector, 0x813582499997f00ba0142c7813740a6e381df71a63d11d8c8f208f66b7795d26, "Escrow"
        );
        assertEq(
            Wallet.Transfer.selector, 0xd1398bee19313d6bf672ccb116e51f4a1a947e91c757907f51fbb5b5e56c698f, "Transfer"
        );
        assertEq(
            Ownable.OwnershipTransferred.selector,
            0x8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0,
            "OwnershipTransferred"
        );
        assertEq(
            Ownable.OwnershipHandoverRequested.selector,
            0xdbf36a107da19e49527a7176a1babf963b4b0ff8cde35ee35d6cd8f1f9ac7e1d,
            "OwnershipHandoverRequested"
        );
        assertEq(
            Ownable.OwnershipHandoverCanceled.selector,
            0xfa7b8eab7da67f412cc9575ed43464468f9bfbae89d1675917346ca6d8fe3c92,
            "OwnershipHandoverCanceled"
        );
    }

    function test_coordinator_errorSelectors() public pure {
        same(Coordinator.SubscriptionNotFound.selector, 0x1a00354f, "SubscriptionNotFound");
        same(Coordinator.SubscriptionNotActive.selector, 0xefb74efe, "SubscriptionNotActive");
        same(Coordinator.IntervalMismatch.selector, 0x4db310c3, "IntervalMismatch");
        same(Coordinator.SubscriptionCompleted.selector, 0xae6704a7, "SubscriptionCompleted");
        same(Coordinator.IntervalCompleted.selector, 0x2f4ca85b, "IntervalCompleted");
        same(Coordinator.NodeRespondedAlready.selector, 0x88a21e4f, "NodeRespondedAlready");
        same(Coordinator.InvalidWallet.selector, 0x23455ba1, "InvalidWallet");
        same(Coordinator.UnsupportedVerifierToken.selector, 0xe2372799, "UnsupportedVerifierToken");
        same(ReentrancyGuard.Reentrancy.selector, 0xab143c06, "Reentrancy");
        same(Coordinator.UnauthorizedVerifier.selector, 0xb9857aa1, "UnauthorizedVerifier");
        same(Coordinator.ProofRequestNotFound.selector, 0x1d68b37c, "ProofRequestNotFound");
        same(Coordinator.NotSubscriptionOwner.selector, 0xa7fba711, "NotSubscriptionOwner");
        same(EIP712Coordinator.SignerMismatch.selector, 0x10c74b03, "SignerMismatch");
        same(EIP712Coordinator.SignatureExpired.selector, 0x0819bdcd, "SignatureExpired");
        same(ECDSA.InvalidSignature.selector, 0x8baa579f, "InvalidSignature");
    }

    function test_otherContracts_errorSelectors() public pure {
        same(Coordinated.NotCoordinator.selector, 0x9ec853e6, "NotCoordinator");
        same(BaseConsumer.NotCoordinator.selector, 0x9ec853e6, "NotCoordinator of consumers");
        same(Wallet.InsufficientFunds.selector, 0x356680b7, "InsufficientFunds");
        same(Wallet.InsufficientAllowance.selector, 0x13be252b, "InsufficientAllowance");
        same(SafeTransferLib.TransferFailed.selector, 0x90b8ec18, "TransferFailed");
        same(SafeTransferLib.ETHTransferFailed.selector, 0xb12d13eb, "ETHTransferFailed");
        same(Ownable.Unauthorized.selector, 0x82b42900, "Unauthorized");
        same(Ownable.NewOwnerIsZeroAddress.selector, 0x7448fbae, "NewOwnerIsZeroAddress");
        same(Ownable.NoHandoverRequest.selector, 0x6f5e8818, "NoHandoverRequest");
        same(Ownable.AlreadyInitialized.selector, 0x0dc149f0, "AlreadyInitialized");
        same(Allowlist.NodeNotAllowed.selector, 0x42764946, "NodeNotAllowed");
        same(ERC20.InsufficientBalance.selector, 0xf4d678b8, "InsufficientBalance");
    }
}
